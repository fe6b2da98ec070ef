/* empty.c - what any C program costs: the measure for fosterctl */
int main(void)
{
	return 0;
}
