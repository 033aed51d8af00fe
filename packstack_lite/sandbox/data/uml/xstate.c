/*
 * Lets user-mode Linux 6.1 run on processors whose registers are more than it knows of.
 *
 * It keeps 832 bytes of a process's floating point and vector registers (up to AVX), and hands back as many.
 * A kernel whose processor has more (AVX-512, AMX, protection keys) takes all or nothing: EFAULT, and
 * the first process dies ("Attempted to kill init", put_fp_registers). Linux 6.13 has it right.
 * Preloaded, this stands between the two: the whole state is kept here, one record for each place that
 * user-mode Linux keeps its part in, which is one per thread; what it knows of goes in and out.
 * User-mode Linux asks from one thread, so nothing is locked; it has a malloc of its own, so none is used.
 *
 * And it reboots by running itself anew with all its files open, of which the tap is then busy: they are closed.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SLOTS = 1 << 16, LARGEST = 1 << 16 };

static long (*real)(int, ...);
static void *keys[SLOTS];
static char *states;
static size_t size;

/* How large the whole state is, and room for all records; memory is taken when one is first written. */
static int begin(long pid)
{
	static char all[LARGEST];
	struct iovec iov = { all, sizeof(all) };

	if (real(PTRACE_GETREGSET, pid, (void *)NT_X86_XSTATE, &iov) < 0)
		return -1;
	states = mmap(NULL, SLOTS * iov.iov_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (states == MAP_FAILED) {
		states = NULL;
		return -1;
	}
	size = iov.iov_len;
	return 0;
}

/* The record of a place; where all are taken, the place's first choice is used again, as if it were new. */
static char *record(void *key)
{
	size_t first = ((uintptr_t)key >> 4) * 0x9E3779B97F4A7C15u >> 48, at = first;

	while (keys[at] && keys[at] != key) {
		at = (at + 1) % SLOTS;
		if (at == first) {
			memset(states + at * size, 0, size);
			break;
		}
	}
	keys[at] = key;
	return states + at * size;
}

static long exchange(int request, long pid, struct iovec *asked)
{
	struct iovec whole;
	long result;

	if (!states && begin(pid) < 0)
		return -1;
	if (asked->iov_len >= size)
		return real(request, pid, (void *)NT_X86_XSTATE, asked);
	whole.iov_base = record(asked->iov_base);
	whole.iov_len = size;
	if (request == PTRACE_SETREGSET)
		memcpy(whole.iov_base, asked->iov_base, asked->iov_len);
	result = real(request, pid, (void *)NT_X86_XSTATE, &whole);
	if (request == PTRACE_GETREGSET && result >= 0)
		memcpy(asked->iov_base, whole.iov_base, asked->iov_len);
	return result;
}

long ptrace(enum __ptrace_request request, ...)
{
	va_list words;
	long pid;
	void *address, *data;

	va_start(words, request);
	pid = va_arg(words, long);
	address = va_arg(words, void *);
	data = va_arg(words, void *);
	va_end(words);
	if (!real)
		real = (long (*)(int, ...))dlsym(RTLD_NEXT, "ptrace");
	if ((request == PTRACE_GETREGSET || request == PTRACE_SETREGSET) && (uintptr_t)address == NT_X86_XSTATE)
		return exchange(request, pid, data);
	return real(request, pid, address, data);
}

int execvp(const char *file, char *const words[])
{
	int (*anew)(const char *, char *const[]) = (int (*)(const char *, char *const[]))dlsym(RTLD_NEXT, "execvp");

	close_range(3, ~0U, 0);
	return anew(file, words);
}
