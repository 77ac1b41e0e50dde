/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Prints `module_version` and `module_flags` of a Kamailio module, one per line, read from the file by symbol.
 *
 * A module cannot simply be opened for that: Debian's are linked with "bind now", and the core's symbols are not there.
 */
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

typedef ElfW(Ehdr) elf_header;
typedef ElfW(Shdr) elf_section;
typedef ElfW(Phdr) elf_segment;
typedef ElfW(Sym) elf_symbol;
typedef ElfW(Rela) elf_fix;
typedef ElfW(Addr) elf_address;

typedef struct module_file {
	const uint8_t *bytes;
	size_t size;
	const elf_header *header;
} module_file;

/* `length` bytes at `offset`; NULL if they are not all inside the file. */
static const void *bytes_at(const module_file *file, uint64_t offset, uint64_t length)
{
	if(offset > file->size || length > file->size - offset)
		return NULL;
	return file->bytes + offset;
}

static const elf_section *section(const module_file *file, size_t index)
{
	return bytes_at(file, file->header->e_shoff + index * sizeof(elf_section), sizeof(elf_section));
}

/* What stands in the file for `length` bytes at `address` of the loaded module. */
static const void *loaded_at(const module_file *file, uint64_t address, uint64_t length)
{
	for(size_t i = 0; i < file->header->e_phnum; i++) {
		const elf_segment *part = bytes_at(file, file->header->e_phoff + i * sizeof(*part), sizeof(*part));
		if(part != NULL && part->p_type == PT_LOAD && address >= part->p_vaddr
				&& address - part->p_vaddr < part->p_filesz)
			return bytes_at(file, part->p_offset + (address - part->p_vaddr), length);
	}
	return NULL;
}

/* A terminated string at `address`; NULL if there is none. */
static const char *text_at(const module_file *file, uint64_t address)
{
	const char *text = loaded_at(file, address, 1);
	if(text == NULL || memchr(text, 0, file->size - (size_t)((const uint8_t *)text - file->bytes)) == NULL)
		return NULL;
	return text;
}

/* The `count`th entry of the table in a section of `type`, with what the section links to; NULL behind the last. */
static const void *entry(const module_file *file, uint32_t type, size_t size, size_t index, const elf_section **linked)
{
	for(size_t i = 0; i < file->header->e_shnum; i++) {
		const elf_section *table = section(file, i);
		if(table == NULL || table->sh_type != type)
			continue;
		if(index < table->sh_size / size) {
			*linked = section(file, table->sh_link);
			return bytes_at(file, table->sh_offset + index * size, size);
		}
		index -= table->sh_size / size;
	}
	return NULL;
}

static const elf_symbol *symbol(const module_file *file, const char *name)
{
	const elf_section *names = NULL;
	const elf_symbol *one;
	for(size_t i = 0; (one = entry(file, SHT_DYNSYM, sizeof(*one), i, &names)) != NULL; i++) {
		const char *its = names == NULL ? NULL : bytes_at(file, names->sh_offset + one->st_name, strlen(name) + 1);
		if(its != NULL && one->st_shndx != SHN_UNDEF && memcmp(its, name, strlen(name) + 1) == 0)
			return one;
	}
	return NULL;
}

/* The string that the variable `name` of type `char *` points to once the module is loaded. */
static const char *string_variable(const module_file *file, const char *name)
{
	const elf_symbol *variable = symbol(file, name);
	const elf_section *linked = NULL;
	const elf_fix *fix;
	if(variable == NULL)
		return NULL;
	for(size_t i = 0; (fix = entry(file, SHT_RELA, sizeof(*fix), i, &linked)) != NULL; i++)
		if(fix->r_offset == variable->st_value)
			return text_at(file, (uint64_t)fix->r_addend);
	/* Without an entry of its own the address stands in place, for a packed relocation. */
	const elf_address *in_place = loaded_at(file, variable->st_value, sizeof(*in_place));
	return in_place == NULL ? NULL : text_at(file, *in_place);
}

int main(int argc, char **argv)
{
	struct stat status;
	int descriptor = argc == 2 ? open(argv[1], O_RDONLY) : -1;
	if(descriptor < 0 || fstat(descriptor, &status) != 0 || (size_t)status.st_size < sizeof(elf_header)) {
		fprintf(stderr, "usage: module-strings MODULE.so (a file that can be read)\n");
		return 2;
	}
	module_file file = {.size = (size_t)status.st_size};
	file.bytes = mmap(NULL, file.size, PROT_READ, MAP_PRIVATE, descriptor, 0);
	close(descriptor);
	file.header = (const void *)file.bytes;
	if(file.bytes == MAP_FAILED || memcmp(file.bytes, ELFMAG, SELFMAG) != 0) {
		fprintf(stderr, "%s: not an ELF file\n", argv[1]);
		return 2;
	}
	const char *version = string_variable(&file, "module_version");
	const char *flags = string_variable(&file, "module_flags");
	if(version == NULL || flags == NULL) {
		fprintf(stderr, "%s: no module_version or module_flags: not a Kamailio module\n", argv[1]);
		return 1;
	}
	printf("%s\n%s\n", version, flags);
	return 0;
}
