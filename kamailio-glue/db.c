/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads the sets from a database through Kamailio's database API; what the rows mean is the Swift half's to say. */

#include "glue.h"

#include "lib/srdb1/db.h"

#define TABLE_VERSION 1

static str column_setid = str_init("setid");
static str column_url = str_init("url");
static str column_weight = str_init("weight");
static str column_flags = str_init("flags");

/* The functions of the database module that the URL names, db_<scheme>. */
static int bind_database(const char *url, db_func_t *functions)
{
	const char *colon = strchr(url, ':');
	char module[64];
	db_bind_api_f bind_api;

	if(colon == NULL || snprintf(module, sizeof(module), "db_%.*s", (int)(colon - url), url) >= (int)sizeof(module)) {
		LM_ERR("parameter db_url: no scheme like \"mysql://\" at its beginning\n");
		return -1;
	}
	bind_api = (db_bind_api_f)(void *)find_mod_export(module, "db_bind_api", 0, 0);
	memset(functions, 0, sizeof(*functions));
	if(bind_api == NULL || bind_api(functions) < 0) {
		LM_ERR("parameter db_url: the module %s is not loaded\n", module);
		return -1;
	}
	return 0;
}

/* Text of a value, absent where it is NULL or no text. */
static rtpp_bytes text_of(const db_val_t *value)
{
	if(VAL_NULL(value))
		return rtpp_bytes_of(NULL);
	switch(VAL_TYPE(value)) {
		case DB1_STRING:
			return rtpp_bytes_of_cstring(VAL_STRING(value));
		case DB1_STR:
			return rtpp_bytes_of(&VAL_STR(value));
		case DB1_BLOB:
			return rtpp_bytes_of(&VAL_BLOB(value));
		default:
			return rtpp_bytes_of(NULL);
	}
}

/* Points `*number` to the number of a value, or to nothing where it is NULL or no number. */
static const int64_t *number_of(const db_val_t *value, int64_t *number)
{
	if(VAL_NULL(value))
		return NULL;
	switch(VAL_TYPE(value)) {
		case DB1_INT:
			*number = VAL_INT(value);
			return number;
		case DB1_BIGINT:
			*number = VAL_BIGINT(value);
			return number;
		default:
			return NULL;
	}
}

static int check_version(db_func_t *functions, db1_con_t *connection, const char *table)
{
	str version_table = str_init("version");
	str name_column = str_init("table_name");
	str version_column = str_init("table_version");
	db_key_t key = &name_column, column = &version_column;
	db_val_t value;
	db1_res_t *rows = NULL;
	int64_t found = -1;

	memset(&value, 0, sizeof(value));
	VAL_TYPE(&value) = DB1_STRING;
	VAL_STRING(&value) = table;
	if(functions->use_table(connection, &version_table) < 0
			|| functions->query(connection, &key, 0, &value, &column, 1, 1, 0, &rows) < 0) {
		LM_ERR("parameter db_url: the table \"version\" cannot be read\n");
		return -1;
	}
	if(rows != NULL && RES_ROW_N(rows) > 0)
		number_of(ROW_VALUES(RES_ROWS(rows)), &found);
	if(rows != NULL)
		functions->free_result(connection, rows);
	if(found != TABLE_VERSION) {
		LM_ERR("parameter table_name: table \"%s\" has version %ld in the table \"version\", %d is required\n", table,
				(long)found, TABLE_VERSION);
		return -1;
	}
	return 0;
}

static int load_rows(db_func_t *functions, db1_con_t *connection, const char *table)
{
	str name = {(char *)table, (int)strlen(table)};
	db_key_t columns[] = {&column_setid, &column_url, &column_weight, &column_flags};
	db1_res_t *rows = NULL;
	int i;

	if(functions->use_table(connection, &name) < 0 || functions->query(connection, 0, 0, 0, columns, 0, 4, 0, &rows) < 0
			|| rows == NULL) {
		LM_ERR("parameter table_name: table \"%s\" cannot be read\n", table);
		return -1;
	}
	for(i = 0; i < RES_ROW_N(rows); i++) {
		db_val_t *values = ROW_VALUES(RES_ROWS(rows) + i);
		int64_t weight, flags;

		rtpp_add_row(rtpp_instance, (size_t)i + 1, text_of(values), text_of(values + 1), number_of(values + 2, &weight),
				number_of(values + 3, &flags));
	}
	functions->free_result(connection, rows);
	return 0;
}

int rtpp_db_load(const char *url, const char *table)
{
	str name = {(char *)url, (int)strlen(url)};
	db_func_t functions;
	db1_con_t *connection;
	int result = -1;

	if(bind_database(url, &functions) < 0)
		return -1;
	connection = functions.init(&name);
	if(connection == NULL) {
		LM_ERR("parameter db_url: no connection to the database\n");
		return -1;
	}
	if(check_version(&functions, connection, table) == 0)
		result = load_rows(&functions, connection, table);
	functions.close(connection);
	return result;
}
