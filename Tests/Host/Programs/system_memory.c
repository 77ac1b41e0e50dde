// SPDX-License-Identifier: GPL-2.0-or-later
/* A module of Kamailio that takes a process's own memory (pkg) from malloc() in the place of Kamailio's pool, so that
 * AddressSanitizer and Valgrind see where each block ends. To be loaded before all others: what the pool has given
 * before goes back to the pool. */
#include <stdlib.h>
#include <string.h>

#include "core/globals.h"
#include "core/mem/mem.h"
#include "core/sr_module.h"

MODULE_VERSION

#define WHERE const char *file, const char *function, unsigned int line, const char *name
#define PASSED file, function, line, name
#define UNUSED_WHERE (void)file, (void)function, (void)line, (void)name

/* What Kamailio had before. */
static sr_pkg_api_t pool;

static int is_of_pool(const void *block)
{
	const char *byte = block;
	return byte >= pool.mem_pool && byte < pool.mem_pool + pkg_mem_size;
}

static void *take(void *owner, size_t size, WHERE)
{
	(void)owner, UNUSED_WHERE;
	return malloc(size);
}

static void *take_zeroed(void *owner, size_t size, WHERE)
{
	(void)owner, UNUSED_WHERE;
	return calloc(1, size);
}

static void give_back(void *owner, void *block, WHERE)
{
	if(is_of_pool(block))
		pool.xfree(owner, block, PASSED);
	else
		free(block);
}

static void *resize(void *owner, void *block, size_t size, WHERE)
{
	return is_of_pool(block) ? pool.xrealloc(owner, block, size, PASSED) : realloc(block, size);
}

static void *resize_or_free(void *owner, void *block, size_t size, WHERE)
{
	void *resized = resize(owner, block, size, PASSED);
	if(resized == NULL && block != NULL && size > 0)
		give_back(owner, block, PASSED);
	return resized;
}

int mod_register(char *path, int *flags, void *first, void *second)
{
	(void)path, (void)flags, (void)first, (void)second;
	pool = _pkg_root;
	_pkg_root.xmalloc = take;
	_pkg_root.xmallocxz = take_zeroed;
	_pkg_root.xfree = give_back;
	_pkg_root.xrealloc = resize;
	_pkg_root.xreallocxf = resize_or_free;
	return 0;
}

struct module_exports exports = {.name = "system_memory"};
