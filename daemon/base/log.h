/* log.h - fosterd's own log: one event, one line, never blocking
 *
 * A line is `subject: fact, consequence`. It goes to stderr in one write of at most PIPE_BUF bytes:
 * after "<N>" (sd-daemon(3)) when stderr is the journal's stream (JOURNAL_STREAM), else after date,
 * time and level. A stderr that takes nothing loses the line; how many were lost is said before the
 * next one that fits. errno is kept, so %m may be used and `return -errno` may follow. */
#ifndef FOSTER_BASE_LOG_H
#define FOSTER_BASE_LOG_H

#include <syslog.h> /* LOG_ERR … LOG_DEBUG */

/* Set up at the start of a program, and again when stderr has become another file. identifier stands
 * in lines of parts other than the keeper ("supervisor", "logger"), NULL for none. */
void log_init(const char *identifier);

/* From now on lines gather until log_flush(), PIPE_BUF bytes of them, or a line of LOG_ERR: a part
 * that serves others first and talks then. */
void log_gather(void);
void log_flush(void);

/* Lines less important than level (syslog(3)) are not written. Default LOG_INFO. */
void log_set_level(int level);

/* subject is a process' name, or a part's; NULL: none. */
void log_line(int level, const char *subject, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#define log_error(subject, ...) log_line(LOG_ERR, subject, __VA_ARGS__)
#define log_warning(subject, ...) log_line(LOG_WARNING, subject, __VA_ARGS__)
#define log_info(subject, ...) log_line(LOG_INFO, subject, __VA_ARGS__)
#define log_debug(subject, ...) log_line(LOG_DEBUG, subject, __VA_ARGS__)

#endif
