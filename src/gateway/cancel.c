/*
 * cancel.c: PQcancel opens a connection and waits for the server to close it: it may not run in an event
 * loop. One thread, started on first use, does it for all loops. Cancels are rare (the request timeout), so a
 * short queue is enough; when it is full the statement simply runs on.
 */
#include "cancel.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#define QUEUE 64

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t filled = PTHREAD_COND_INITIALIZER;
static PGcancel *queue[QUEUE];
static unsigned int first, count;
static bool started;

static void *
cancel_loop(void *arg)
{
	(void) arg;
	for (;;)
	{
		PGcancel *cancel;
		char error[256];

		pthread_mutex_lock(&lock);
		while (count == 0)
			pthread_cond_wait(&filled, &lock);
		cancel = queue[first];
		first = (first + 1) % QUEUE;
		count--;
		pthread_mutex_unlock(&lock);
		PQcancel(cancel, error, sizeof error);
		PQfreeCancel(cancel);
	}
	return NULL;
}

void
cancel_later(PGcancel *cancel)
{
	pthread_mutex_lock(&lock);
	if (!started)
	{
		pthread_t thread;

		if (pthread_create(&thread, NULL, cancel_loop, NULL) == 0)
		{
			pthread_detach(thread);
			started = true;
		}
	}
	if (started && count < QUEUE)
	{
		queue[(first + count++) % QUEUE] = cancel;
		cancel = NULL;
		pthread_cond_signal(&filled);
	}
	pthread_mutex_unlock(&lock);
	if (cancel != NULL)
		PQfreeCancel(cancel);
}
