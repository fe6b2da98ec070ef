#include "daemon/supervisor/aside.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

#define ALL_MAX 256
#define USER_MAX 32
#define STACK_BYTES ((size_t)64 << 10)

static struct closing {
	_Atomic(bool) busy;
	uid_t uid;
	int fd;
} closings[ALL_MAX];

/* How many entries are busy, or with uid those of a user; *ret_free: one that is not, NULL: none. */
static unsigned count(const uid_t *uid, struct closing **ret_free)
{
	unsigned n = 0;

	*ret_free = NULL;
	for (struct closing *c = closings; c < closings + ALL_MAX; c++) {
		if (!atomic_load(&c->busy))
			*ret_free = c;
		else if (!uid || c->uid == *uid)
			n++;
	}
	return n;
}

bool aside_has_room(uid_t uid, unsigned n)
{
	struct closing *free_one;

	return count(&uid, &free_one) + n <= USER_MAX && count(NULL, &free_one) + n <= ALL_MAX;
}

static void *run(void *data)
{
	struct closing *c = data;

	close(c->fd);
	atomic_store(&c->busy, false);
	return NULL;
}

/* Signals are for the thread that we are. */
static int start_thread(struct closing *c)
{
	sigset_t all, before;
	pthread_attr_t attr;
	pthread_t thread;
	int r;

	if (pthread_attr_init(&attr) != 0)
		return -1;
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&thread, &attr, run, c);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return r;
}

void aside_close(uid_t uid, int fd)
{
	struct closing *c;

	(void)count(NULL, &c);
	if (!c)
		return;
	c->uid = uid;
	c->fd = fd;
	atomic_store(&c->busy, true);
	(void)start_thread(c); /* else it stays busy, as its descriptor stays open */
}
