/* thread.c - a shared object that no forkserver can make copies of: loading it starts a thread */
#include <pthread.h>
#include <unistd.h>

static void *wait_for_ever(void *unused)
{
	for (;;)
		pause();
	return unused;
}

__attribute__((constructor)) static void start_thread(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, wait_for_ever, NULL) == 0)
		(void)pthread_setname_np(thread, "busy-bee");
}
