/* SPDX-License-Identifier: MIT */
/* Threads that allocate and free in destructors of thread-specific data, round after round, and in TLS ones.
 */
#include "api.h"

enum { THREADS = 200, KEYS = 8 };
static pthread_key_t key[KEYS];

extern int __cxa_thread_atexit_impl(void (*destructor)(void *), void *object, void *dso);
extern void *__dso_handle;

static void key_destructor(void *value)
{
	char *block = value;
	unsigned rounds = (unsigned char)block[0];

	expect(filled(block + 1, 299, rounds), "the value was overwritten");
	free(block);
	free(malloc(100000));
	if (rounds == 0)
		return;
	/* A new value: glibc runs the destructors again, up to four times. */
	block = malloc(300);
	block[0] = (char)(rounds - 1);
	fill(block + 1, 299, rounds - 1);
	pthread_setspecific(key[rounds % KEYS], block);
}

static void tls_destructor(void *value)
{
	expect(filled(value, 500, 9), "the TLS object was overwritten");
	free(value);
	free(calloc(10, 100));
}

static void *thread_main(void *unused)
{
	void *object = malloc(500);

	fill(object, 500, 9);
	expect(__cxa_thread_atexit_impl(tls_destructor, object, &__dso_handle) == 0, "no TLS destructor");
	for (int i = 0; i < KEYS; i++) {
		char *block = malloc(300);

		block[0] = 2;
		fill(block + 1, 299, 2);
		pthread_setspecific(key[i], block);
	}
	return unused;
}

int main(void)
{
	for (int i = 0; i < KEYS; i++)
		expect(pthread_key_create(&key[i], key_destructor) == 0, "no key");
	for (int i = 0; i < THREADS; i += 4) {
		pthread_t thread[4];

		for (int t = 0; t < 4; t++)
			expect(pthread_create(&thread[t], NULL, thread_main, NULL) == 0, "no thread");
		for (int t = 0; t < 4; t++)
			pthread_join(thread[t], NULL);
	}
	return 0;
}
