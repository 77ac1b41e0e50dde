/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads the sets from a database through Kamailio's database API; the Swift half interprets the rows. */

#include "glue.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/srdb1/db.h"

#define TABLE_VERSION 1

static str column_setid = str_init("setid");
static str column_url = str_init("url");
static str column_weight = str_init("weight");
static str column_flags = str_init("flags");

/* Logs why the database cannot be used, and keeps the reason for the caller. */
static char fault_text[256];
#define FAULT(...)                                             \
	do {                                                       \
		snprintf(fault_text, sizeof(fault_text), __VA_ARGS__); \
		glue_journal_fault("%s", fault_text);                  \
	} while(0)

const char *glue_db_fault(void)
{
	return fault_text;
}

/* Room for the digits of any number of 64 bits. */
#define DIGITS 24

/* Writes the name of the database module that the URL's scheme stands for. Never quotes a text without a scheme, which
 * may hold a password. */
static int name_module(const char *url, char *module, size_t size)
{
	size_t length = strspn(url, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

	if(length == 0 || url[length] != ':' || length + sizeof("db_") > size) {
		FAULT("parameter db_url: no scheme like mysql:// at its beginning");
		return -1;
	}
	snprintf(module, size, "db_%.*s", (int)length, url);
	return 0;
}

/* The functions of a database module; one that cannot be queried, such as db_flatstore, is refused. */
static int bind_module(char *module, db_func_t *functions)
{
	db_bind_api_f bind_api = (db_bind_api_f)(void *)find_mod_export(module, "db_bind_api", 0, 0);

	memset(functions, 0, sizeof(*functions));
	if(bind_api == NULL || bind_api(functions) < 0) {
		FAULT("parameter db_url: the module %s is not loaded", module);
		return -1;
	}
	if(functions->init == NULL || functions->close == NULL || functions->use_table == NULL || functions->query == NULL
			|| functions->free_result == NULL) {
		FAULT("parameter db_url: the module %s cannot read tables", module);
		return -1;
	}
	return 0;
}

/* Text of a value, numbers as `digits`; absent where it is NULL or of another kind. */
static rtpp_bytes text_of(const db_val_t *value, char digits[DIGITS])
{
	if(VAL_NULL(value))
		return glue_bytes_of(NULL);
	switch(VAL_TYPE(value)) {
		case DB1_STRING:
			return glue_bytes_of_cstring(VAL_STRING(value));
		case DB1_STR:
			return glue_bytes_of(&VAL_STR(value));
		case DB1_BLOB:
			return glue_bytes_of(&VAL_BLOB(value));
		case DB1_INT:
			snprintf(digits, DIGITS, "%d", VAL_INT(value));
			return glue_bytes_of_cstring(digits);
		case DB1_BIGINT:
			snprintf(digits, DIGITS, "%lld", (long long)VAL_BIGINT(value));
			return glue_bytes_of_cstring(digits);
		case DB1_UINT:
			snprintf(digits, DIGITS, "%u", VAL_UINT(value));
			return glue_bytes_of_cstring(digits);
		case DB1_UBIGINT:
			snprintf(digits, DIGITS, "%llu", (unsigned long long)VAL_UBIGINT(value));
			return glue_bytes_of_cstring(digits);
		case DB1_DOUBLE:
			snprintf(digits, DIGITS, "%.15g", VAL_DOUBLE(value));
			return glue_bytes_of_cstring(digits);
		default:
			return glue_bytes_of(NULL);
	}
}

/* Points `*number` to the number of a value, be its column one of numbers or of text; NULL where it is none. */
static const int64_t *number_of(const db_val_t *value, int64_t *number)
{
	char digits[DIGITS], copy[DIGITS], *end;
	rtpp_bytes text = text_of(value, digits);

	/* Columns of a fixed width are filled up with blanks. */
	while(text.length > 0 && text.data[text.length - 1] == ' ')
		text.length--;
	if(text.length == 0 || text.length >= sizeof(copy))
		return NULL;
	memcpy(copy, text.data, text.length);
	copy[text.length] = '\0';
	errno = 0;
	*number = strtoll(copy, &end, 10);
	return errno == 0 && *end == '\0' ? number : NULL;
}

static int check_version(db_func_t *functions, db1_con_t *connection, const char *table)
{
	str version_table = str_init("version");
	str name_column = str_init("table_name");
	str version_column = str_init("table_version");
	db_key_t key = &name_column, column = &version_column;
	db_val_t value;
	db1_res_t *rows = NULL;
	int64_t number = 0;
	bool has_row;

	memset(&value, 0, sizeof(value));
	VAL_TYPE(&value) = DB1_STRING;
	VAL_STRING(&value) = table;
	if(functions->use_table(connection, &version_table) < 0
			|| functions->query(connection, &key, 0, &value, &column, 1, 1, 0, &rows) < 0) {
		FAULT("parameter db_url: the table \"version\" cannot be read");
		return -1;
	}
	has_row = rows != NULL && RES_ROW_N(rows) > 0;
	if(has_row && number_of(ROW_VALUES(RES_ROWS(rows)), &number) == NULL)
		number = 0;
	if(rows != NULL)
		functions->free_result(connection, rows);
	if(!has_row)
		FAULT("parameter table_name: the table \"version\" has no row for table \"%s\"", table);
	else if(number != TABLE_VERSION)
		FAULT("parameter table_name: table \"%s\" has version %ld, %d is required", table, (long)number, TABLE_VERSION);
	return has_row && number == TABLE_VERSION ? 0 : -1;
}

static int load_rows(db_func_t *functions, db1_con_t *connection, const char *table)
{
	str name = {(char *)table, (int)strlen(table)};
	db_key_t columns[] = {&column_setid, &column_url, &column_weight, &column_flags};
	db1_res_t *rows = NULL;
	int i;

	if(functions->use_table(connection, &name) < 0 || functions->query(connection, 0, 0, 0, columns, 0, 4, 0, &rows) < 0
			|| rows == NULL) {
		FAULT("parameter table_name: the columns setid, url, weight, flags of table \"%s\" cannot be read", table);
		return -1;
	}
	for(i = 0; i < RES_ROW_N(rows); i++) {
		db_val_t *values = ROW_VALUES(RES_ROWS(rows) + i);
		char set_digits[DIGITS], url_digits[DIGITS];
		int64_t weight, flags;

		rtpp_add_row(glue_instance, (size_t)i + 1, text_of(values, set_digits), text_of(values + 1, url_digits),
				number_of(values + 2, &weight), number_of(values + 3, &flags));
	}
	functions->free_result(connection, rows);
	return 0;
}

int glue_db_check(const char *url)
{
	db_func_t functions;
	char module[64];

	return name_module(url, module, sizeof(module)) < 0 || bind_module(module, &functions) < 0 ? -1 : 0;
}

int glue_db_load(const char *url, const char *table)
{
	str name = {(char *)url, (int)strlen(url)};
	db_func_t functions;
	db1_con_t *connection;
	char module[64];
	int result = -1;

	if(name_module(url, module, sizeof(module)) < 0 || bind_module(module, &functions) < 0)
		return -1;
	connection = functions.init(&name);
	if(connection == NULL) {
		FAULT("parameter db_url: %s has no connection to the database", module);
		return -1;
	}
	if(check_version(&functions, connection, table) == 0)
		result = load_rows(&functions, connection, table);
	functions.close(connection);
	return result;
}
