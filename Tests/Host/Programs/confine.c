// SPDX-License-Identifier: GPL-2.0-or-later
/* Runs a command as systemd would under a strict unit: user, folders, capabilities, system calls. What the command does
 * beyond that ends it with SIGSYS, so that a test sees it.
 *
 * confine USER [-w FOLDER]... [-f FAMILY]... [-s CALL]... COMMAND ARGUMENT...
 *   -w  a folder that may be written; it becomes the user's, and stays where it is even in the new /tmp
 *   -t  keep: /tmp stays what it is, for reading; else it is a new one
 *   -f  the number of an address family that sockets may have
 *   -s  the name of a system call that is permitted; those that this machine does not know are passed over
 *
 * libseccomp is opened at run time: Debian has the library everywhere, its headers not. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/mount.h>
#include <pwd.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* linux/prctl.h, which older headers have without it. */
#define SET_MDWE 65
#define MDWE_REFUSE_EXEC_GAIN 1UL

/* seccomp.h */
#define ACT_KILL_PROCESS 0x80000000U
#define ACT_ALLOW 0x7fff0000U
#define ACT_ERRNO(number) (0x00050000U | (number))
#define CMP_EQ 4
#define CMP_MASKED_EQ 7
struct comparison {
	unsigned int argument;
	int operation;
	uint64_t first, second;
};
static void *(*filter_init)(uint32_t);
static int (*resolve)(const char *);
static int (*rule_add)(void *, uint32_t, int, unsigned int, const struct comparison *);
static int (*load)(const void *);

#define MOST 1024
#define FAMILIES 64
static const char *folders[MOST], *calls[MOST];
static int folder_count, call_count;
static bool families[FAMILIES];
static bool keeps_tmp;

static void fail(const char *what)
{
	fprintf(stderr, "confine: %s: %s\n", what, strerror(errno));
	exit(125);
}

static void check(long result, const char *what)
{
	if(result < 0)
		fail(what);
}

static void open_library(void)
{
	void *library = dlopen("libseccomp.so.2", RTLD_NOW);
	if(!library) {
		errno = ENOENT;
		fail("libseccomp.so.2");
	}
	*(void **)&filter_init = dlsym(library, "seccomp_init");
	*(void **)&resolve = dlsym(library, "seccomp_syscall_resolve_name");
	*(void **)&rule_add = dlsym(library, "seccomp_rule_add_array");
	*(void **)&load = dlsym(library, "seccomp_load");
	if(!filter_init || !resolve || !rule_add || !load)
		fail("libseccomp.so.2 lacks a function");
}

/* Makes a folder and those that it is in. */
static void make_folder(const char *path)
{
	char part[4096];
	for(size_t i = 1; i <= strlen(path) && i < sizeof part; i++) {
		if(path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if(mkdir(part, 0755) == 0)
			check(chmod(part, 0755), part);
		else if(errno != EEXIST && errno != EROFS)
			fail(part);
	}
}

/* ProtectSystem=strict, and PrivateTmp=yes without -t: all is read-only but for a /tmp that is new, and the folders. */
static void protect_files(uid_t user, gid_t group)
{
	static int trees[MOST];
	check(unshare(CLONE_NEWNS), "mount namespace");
	check(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "private mounts");
	for(int i = 0; i < folder_count; i++) {
		check(chown(folders[i], user, group), folders[i]);
		trees[i] = (int)syscall(SYS_open_tree, AT_FDCWD, folders[i], OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
		check(trees[i], "open_tree");
	}
	struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY};
	check(syscall(SYS_mount_setattr, AT_FDCWD, "/", AT_RECURSIVE, &attributes, sizeof attributes), "read-only /");
	if(!keeps_tmp)
		check(mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777,size=16m"), "new /tmp");
	for(int i = 0; i < folder_count; i++) {
		make_folder(folders[i]);
		check(syscall(SYS_move_mount, trees[i], "", AT_FDCWD, folders[i], MOVE_MOUNT_F_EMPTY_PATH), folders[i]);
	}
}

/* User=, CapabilityBoundingSet= and NoNewPrivileges=yes */
static void drop_rights(const struct passwd *user)
{
	for(int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
		check(prctl(PR_CAPBSET_DROP, capability, 0, 0, 0), "bounding set");
	check(setgroups(0, NULL), "groups");
	check(setresgid(user->pw_gid, user->pw_gid, user->pw_gid), "group");
	check(setresuid(user->pw_uid, user->pw_uid, user->pw_uid), "user");
	check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no new privileges");
}

static void add(void *filter, uint32_t action, const char *call, unsigned int count, const struct comparison *of)
{
	int number = resolve(call);
	if(number < 0)
		return;
	errno = -rule_add(filter, action, number, count, of);
	if(errno)
		fail(call);
}

/* MemoryDenyWriteExecute=yes as systemd has it: an error, because the program may go on without; and other rules that
 * look at arguments. */
static void filter_arguments(void)
{
	const uint64_t both = PROT_WRITE | PROT_EXEC;
	void *filter = filter_init(ACT_ALLOW);
	add(filter, ACT_ERRNO(EPERM), "mmap", 1, &(struct comparison){2, CMP_MASKED_EQ, both, both});
	add(filter, ACT_ERRNO(EPERM), "mprotect", 1, &(struct comparison){2, CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC});
	add(filter, ACT_ERRNO(EPERM), "pkey_mprotect", 1, &(struct comparison){2, CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC});
	/* RestrictAddressFamilies= */
	for(unsigned int family = 0; family < FAMILIES; family++)
		if(!families[family])
			add(filter, ACT_KILL_PROCESS, "socket", 1, &(struct comparison){0, CMP_EQ, family, 0});
	/* RestrictNamespaces=yes, of the call that makes them without a new process */
	const uint64_t kinds[] = {
			CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET};
	for(size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		add(filter, ACT_KILL_PROCESS, "unshare", 1, &(struct comparison){0, CMP_MASKED_EQ, kinds[i], kinds[i]});
	errno = -load(filter);
	if(errno)
		fail("filter of arguments");
	/* The kernel's own, of Linux 6.3; without it there is the filter. */
	prctl(SET_MDWE, MDWE_REFUSE_EXEC_GAIN, 0, 0, 0);
}

/* SystemCallFilter= */
static void filter_calls(void)
{
	void *filter = filter_init(ACT_KILL_PROCESS);
	for(int i = 0; i < call_count; i++)
		add(filter, ACT_ALLOW, calls[i], 0, NULL);
	errno = -load(filter);
	if(errno)
		fail("filter of system calls");
}

int main(int argc, char **argv)
{
	const struct passwd *user = argc > 1 ? getpwnam(argv[1]) : NULL;
	if(!user) {
		errno = EINVAL;
		fail("no such user");
	}
	int i = 2;
	for(; i + 1 < argc && argv[i][0] == '-'; i += 2) {
		const char *value = argv[i + 1];
		if(argv[i][1] == 'w' && folder_count < MOST)
			folders[folder_count++] = value;
		else if(argv[i][1] == 't' && strcmp(value, "keep") == 0)
			keeps_tmp = true;
		else if(argv[i][1] == 's' && call_count < MOST)
			calls[call_count++] = value;
		else if(argv[i][1] == 'f' && atoi(value) >= 0 && atoi(value) < FAMILIES)
			families[atoi(value)] = true;
	}
	if(i >= argc) {
		errno = EINVAL;
		fail("no command");
	}
	open_library();
	umask(0027);
	protect_files(user->pw_uid, user->pw_gid);
	drop_rights(user);
	filter_arguments();
	filter_calls();
	execvp(argv[i], argv + i);
	fail(argv[i]);
}
