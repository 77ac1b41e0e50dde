/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The group "rtpproxy" of Kamailio's counters: stats.get_statistics, cnt.get and all that read them have it. */

#include "glue.h"

/* The rows of rtpp_counter_at, and behind the last one an empty one. */
static counter_def_t definitions[RTPP_MOST_COUNTERS + 1];
static counter_handle_t handles[RTPP_MOST_COUNTERS];
static size_t rows;

static counter_val_t gauge(counter_handle_t handle, void *position)
{
	(void)handle;
	return (counter_val_t)rtpp_gauge_value(glue_instance, (size_t)(uintptr_t)position);
}

void glue_count(size_t counter, uint32_t amount)
{
	if(counter < rows && definitions[counter].handle != NULL)
		counter_add(handles[counter], (int)amount);
}

void glue_counters_reset(void)
{
	size_t i;

	for(i = 0; i < rows; i++) {
		if(definitions[i].handle != NULL)
			counter_reset(handles[i]);
	}
}

int glue_counters_init(void)
{
	rtpp_counter_row row;
	size_t i;

	for(i = 0; i < RTPP_MOST_COUNTERS && rtpp_counter_at(i, &row); i++) {
		counter_def_t *definition = &definitions[i];

		definition->name = row.name;
		definition->descr = row.help;
		if(row.is_gauge) {
			definition->flags = CNT_F_NO_RESET;
			definition->get_cbk = gauge;
			definition->get_cbk_param = (void *)(uintptr_t)i;
		} else {
			definition->handle = &handles[i];
		}
	}
	if(rtpp_counter_at(i, &row) || counter_register_array("rtpproxy", definitions) < 0) {
		LM_ERR("the counters cannot be registered\n");
		return -1;
	}
	rows = i;
	return 0;
}

size_t glue_counters_count(void)
{
	return rows;
}

uint64_t glue_counters_value(size_t position, char **name)
{
	const counter_def_t *definition = &definitions[position];

	*name = (char *)definition->name;
	if(definition->handle != NULL)
		return (uint64_t)counter_get_val(*definition->handle);
	return (uint64_t)definition->get_cbk((counter_handle_t){0}, definition->get_cbk_param);
}
