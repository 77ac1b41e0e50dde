/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reports for journald, beside Kamailio's log: the same line, with what is in it in fields of their own. */

#include "glue.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <syslog.h>
/* The functions, not macros that would add the place in this file. */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>
#include <unistd.h>

/* 1 on, 0 off, -1: where journald reads standard error. */
static int wish = 0;
static bool is_on = false;

int glue_journal_set_wish(modparam_t type, void *value)
{
	(void)type;
	wish = (int)(long)value;
	return 0;
}

static bool is_there = false;

/* Whether standard error is the stream that JOURNAL_STREAM names (systemd.exec(5)). */
static bool is_journal_there(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	/* Which glibc 2.28 has; what fstat is today began with 2.33. */
	struct statx error;

	return stream != NULL && sscanf(stream, "%llu:%llu", &device, &inode) == 2
		   && statx(STDERR_FILENO, "", AT_EMPTY_PATH, STATX_INO, &error) == 0
		   && makedev(error.stx_dev_major, error.stx_dev_minor) == device && error.stx_ino == inode;
}

void glue_journal_look(void)
{
	is_there = is_journal_there();
}

/* Without the socket, sd_journal_sendv sends nothing and reports success. */
static bool has_socket(void)
{
	return access("/run/systemd/journal/socket", W_OK) == 0;
}

int glue_journal_init(void)
{

	if(wish < -1 || wish > 1) {
		LM_ERR("parameter rtpproxy_journal: \"%d\": is none of -1, 0 and 1\n", wish);
		return -1;
	}
	is_on = wish > 0 || (wish < 0 && is_there);
	if(is_on && !has_socket())
		LM_WARN("parameter rtpproxy_journal: there is no journal at /run/systemd/journal/socket: "
				"reports go to the log alone until there is\n");
	return 0;
}

/* A field `NAME=value`; absent where there is no value or no room. */
typedef struct field {
	char text[512];
	int length;
} field;

static void set_field(field *out, const char *name, rtpp_bytes value)
{
	size_t length = strlen(name);

	out->length = 0;
	if(value.data == NULL || length + value.length > sizeof(out->text))
		return;
	memcpy(out->text, name, length);
	memcpy(out->text + length, value.data, value.length);
	out->length = (int)(length + value.length);
}

static void send_report(const rtpp_report *report)
{
	static const int priorities[] = {LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG};
	static field message, id, url, state, call_id, file;
	char priority[32], facility[40], set[32];
	struct iovec fields[11];
	int count = 0;
	const field *texts[] = {&message, &id, &url, &state, &call_id, &file};
	size_t i;

	set_field(&message, "MESSAGE=", report->line);
	set_field(&id, "MESSAGE_ID=", report->id);
	set_field(&url, "RTPPROXY_URL=", report->url);
	set_field(&state, "RTPPROXY_STATE=", report->state);
	set_field(&call_id, "SIP_CALL_ID=", report->call_id);
	set_field(&file, "CODE_FILE=", report->file);
	/* Kamailio's lines may be longer than a field. */
	if(message.length == 0)
		return;
	for(i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if(texts[i]->length > 0)
			fields[count++] = (struct iovec){(void *)texts[i]->text, (size_t)texts[i]->length};
	}
	snprintf(priority, sizeof(priority), "PRIORITY=%d", priorities[report->level]);
	fields[count++] = (struct iovec){priority, strlen(priority)};
	/* As syslog numbers them: Kamailio keeps the number shifted. */
	snprintf(facility, sizeof(facility), "SYSLOG_FACILITY=%d", LOG_FAC(cfg_get(core, core_cfg, log_facility)));
	fields[count++] = (struct iovec){facility, strlen(facility)};
	fields[count++] = (struct iovec){"SYSLOG_IDENTIFIER=kamailio", 26};
	if(report->has_set) {
		snprintf(set, sizeof(set), "RTPPROXY_SET=%u", report->set_id);
		fields[count++] = (struct iovec){set, strlen(set)};
	}
	sd_journal_sendv(fields, count);
}

void glue_journal_report(const rtpp_report *report)
{
	static const int levels[] = {L_ERR, L_WARN, L_NOTICE, L_INFO};

	glue_host_services.log(report->level, report->line);
	if(is_on && is_printable(levels[report->level]) && has_socket())
		send_report(report);
}

void glue_journal_fault(const char *format, ...)
{
	char text[400];
	rtpp_report report;
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	memset(&report, 0, sizeof(report));
	report.id = rtpp_fault_id();
	report.level = RTPP_LOG_ERROR;
	report.line = glue_bytes_of_cstring(text);
	glue_journal_report(&report);
}
