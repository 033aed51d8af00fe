/*
 * User-mode Linux reboots by executing itself with all its files open; the open tap is then busy.
 * Preloaded (LD_PRELOAD), this library closes them first.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <unistd.h>

int execvp(const char *file, char *const argv[])
{
	int (*real_execvp)(const char *, char *const[]) = (int (*)(const char *, char *const[]))dlsym(RTLD_NEXT, "execvp");

	close_range(3, ~0U, 0);
	return real_execvp(file, argv);
}
