#include "conf/value.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <syslog.h>

#include "conf/conf.h"
#include "daemon/base/mem.h"

#define SECONDS_MAX 1e9

int value_word(const char *text, const char *const *words, unsigned n, unsigned *ret)
{
	for (unsigned i = 0; i < n; i++)
		if (strcasecmp(text, words[i]) == 0) {
			*ret = i;
			return 0;
		}
	return -EINVAL;
}

int value_bool(const char *text, bool *ret)
{
	static const char *const words[] = { "false", "true", "no", "yes", "off", "on", "0", "1" };
	unsigned i;

	if (value_word(text, words, ARRAY_SIZE(words), &i) < 0)
		return -EINVAL;
	*ret = i & 1;
	return 0;
}

/* strto*() skip blanks and take signs; digits alone are meant here. */
static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

int value_int(const char *text, long min, long max, long *ret)
{
	char *end;
	long n;

	if (!is_digit(text[*text == '-' || *text == '+']))
		return -EINVAL;
	errno = 0;
	n = strtol(text, &end, 10);
	if (errno || *end || n < min || n > max)
		return -EINVAL;
	*ret = n;
	return 0;
}

int value_size(const char *text, uint64_t *ret)
{
	static const char *const units[] = { "", "KB", "MB", "GB" };
	unsigned long long n;
	unsigned unit;
	char *end;

	if (!is_digit(*text))
		return -EINVAL;
	errno = 0;
	n = strtoull(text, &end, 10);
	while (*end == ' ' || *end == '\t')
		end++;
	if (errno || value_word(end, units, ARRAY_SIZE(units), &unit) < 0)
		return -EINVAL;
	if (n > UINT64_MAX >> (10 * unit))
		return -EINVAL;
	*ret = (uint64_t)n << (10 * unit);
	return 0;
}

/* "12" or "12.5", without the exponents, signs and names that strtod() knows. */
static int decimal(const char *text, char **ret_end, double *ret)
{
	size_t whole = strspn(text, "0123456789");
	size_t part = text[whole] == '.' ? 1 + strspn(text + whole + 1, "0123456789") : 0;
	double value = 0, scale = 1;

	if (whole + part == 0 || (whole == 0 && part == 1))
		return -EINVAL;
	for (size_t i = 0; i < whole; i++)
		value = value * 10 + (text[i] - '0');
	for (size_t i = whole + 1; i < whole + part; i++) {
		scale *= 10;
		value += (text[i] - '0') / scale;
	}
	*ret = value;
	*ret_end = (char *)text + whole + part;
	return 0;
}

int value_seconds(const char *text, bool whole, double *ret)
{
	static const struct {
		const char *name;
		double factor;
	} units[] = { { "", 1 }, { "s", 1 }, { "ms", 1e-3 }, { "m", 60 }, { "h", 3600 } };
	double value = 0;
	char *end;
	long n;

	if (whole) {
		if (value_int(text, 0, (long)SECONDS_MAX, &n) < 0)
			return -EINVAL;
		*ret = (double)n;
		return 0;
	}
	if (decimal(text, &end, &value) < 0)
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (strcmp(end, units[i].name) == 0 && value * units[i].factor <= SECONDS_MAX) {
			*ret = value * units[i].factor;
			return 0;
		}
	return -EINVAL;
}

int value_fraction(const char *text, double *ret)
{
	double value = 0;
	char *end;

	if (decimal(text, &end, &value) < 0 || *end || value > 1)
		return -EINVAL;
	*ret = value;
	return 0;
}

int value_octal(const char *text, int *ret)
{
	int n = 0;

	if (text[0] == '0' && (text[1] == 'o' || text[1] == 'O'))
		text += 2;
	if (*text == '\0')
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '7')
			return -EINVAL;
		n = n * 8 + (*text - '0');
		if (n > 07777)
			return -EINVAL;
	}
	*ret = n;
	return 0;
}

int value_autorestart(const char *text, enum conf_autorestart *ret)
{
	bool always;

	if (strcasecmp(text, "unexpected") == 0)
		*ret = CONF_UNEXPECTED;
	else if (value_bool(text, &always) == 0)
		*ret = always ? CONF_ALWAYS : CONF_NEVER;
	else
		return -EINVAL;
	return 0;
}

int value_exitcodes(const char *text, uint8_t ret[32])
{
	uint8_t set[32] = { 0 };

	while (*text) {
		char item[8];
		size_t len = strcspn(text, ","), from = 0, to = len;
		long code;

		while (from < to && isspace((unsigned char)text[from]))
			from++;
		while (to > from && isspace((unsigned char)text[to - 1]))
			to--;
		if (to - from >= sizeof item)
			return -EINVAL;
		memcpy(item, text + from, to - from);
		item[to - from] = '\0';
		if (value_int(item, 0, 255, &code) < 0)
			return -EINVAL;
		set[code / 8] |= (uint8_t)(1u << (code % 8));
		if (text[len] == ',' && text[len + 1] == '\0')
			return -EINVAL;
		text += len + (text[len] == ',');
	}
	memcpy(ret, set, sizeof set);
	return 0;
}

int value_loglevel(const char *text, int *ret)
{
	static const struct {
		const char *name;
		int level;
	} levels[] = { { "critical", LOG_CRIT },   { "error", LOG_ERR },    { "warn", LOG_WARNING },
		       { "warning", LOG_WARNING }, { "info", LOG_INFO },    { "debug", LOG_DEBUG },
		       { "trace", LOG_DEBUG },	   { "blather", LOG_DEBUG } };

	for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
		if (strcasecmp(text, levels[i].name) == 0) {
			*ret = levels[i].level;
			return 0;
		}
	return -EINVAL;
}

int value_give_up(const char *text, unsigned *ret_count, double *ret_secs)
{
	const char *slash = strchr(text, '/');
	char count[12];
	long n;

	if (!slash || (size_t)(slash - text) >= sizeof count)
		return -EINVAL;
	memcpy(count, text, (size_t)(slash - text));
	count[slash - text] = '\0';
	if (value_int(count, 1, INT_MAX, &n) < 0 || value_seconds(slash + 1, false, ret_secs) < 0)
		return -EINVAL;
	*ret_count = (unsigned)n;
	return 0;
}

enum conf_log_kind value_log_kind(const char *text)
{
	static const struct {
		const char *word;
		enum conf_log_kind kind;
	} words[] = {
		{ "none", CONF_LOG_NONE },	 { "off", CONF_LOG_NONE },
		{ "auto", CONF_LOG_AUTO },	 { "syslog", CONF_LOG_SYSLOG },
		{ "journal", CONF_LOG_JOURNAL },
	};
	static const struct {
		const char *path;
		enum conf_log_kind kind;
	} paths[] = {
		{ "/dev/null", CONF_LOG_NONE },		{ "-", CONF_LOG_STDOUT },
		{ "/dev/stdout", CONF_LOG_STDOUT },	{ "/dev/fd/1", CONF_LOG_STDOUT },
		{ "/proc/self/fd/1", CONF_LOG_STDOUT }, { "/dev/stderr", CONF_LOG_STDERR },
		{ "/dev/fd/2", CONF_LOG_STDERR },	{ "/proc/self/fd/2", CONF_LOG_STDERR },
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcasecmp(text, words[i].word) == 0)
			return words[i].kind;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		if (strcmp(text, paths[i].path) == 0)
			return paths[i].kind;
	return CONF_LOG_FILE;
}
