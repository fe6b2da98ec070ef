#include "conf/setting.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "conf/place.h"
#include "conf/text.h"
#include "conf/value.h"
#include "conf/words.h"
#include "daemon/base/sig.h"

static int store_long(const struct key *k, const char *text, void *at)
{
	long n = 0;

	if (k->type == KEY_INT) {
		if (value_int(text, INT_MIN, INT_MAX, &n) < 0)
			return -EINVAL;
		*(int *)at = (int)n;
	} else if (k->type == KEY_COUNT) {
		if (value_int(text, 0, INT_MAX, &n) < 0)
			return -EINVAL;
		*(unsigned *)at = (unsigned)n;
	} else {
		if (value_int(text, 0, LONG_MAX, &n) < 0)
			return -EINVAL;
		*(uint64_t *)at = (uint64_t)n;
	}
	return 0;
}

static int store_signal(const char *text, int *at)
{
	int n = sig_number(text);

	if (n > 0)
		*at = n;
	return n;
}

static int store_word(const struct key *k, const char *text, unsigned *at)
{
	unsigned n = 0;

	while (k->words[n])
		n++;
	return value_word(text, k->words, n, at);
}

/* Values that need nothing but their text. Returns -EINVAL for a bad one, 1 for other types. */
static int store_pure(const struct build *b, const struct key *k, const char *text, void *at)
{
	struct conf_restart *restart = at;
	bool whole = (k->flags & KEY_WHOLE) && b->dialect == CONF_SUPERVISORD;

	switch (k->type) {
	case KEY_BOOL:
		return value_bool(text, at);
	case KEY_INT:
	case KEY_COUNT:
	case KEY_NUMBER:
		return store_long(k, text, at);
	case KEY_SIZE:
		return value_size(text, at);
	case KEY_SECONDS:
		return value_seconds(text, whole, at);
	case KEY_FRACTION:
		return value_fraction(text, at);
	case KEY_OCTAL:
		return value_octal(text, at);
	case KEY_SIGNAL:
		return store_signal(text, at);
	case KEY_AUTORESTART:
		return value_autorestart(text, at);
	case KEY_EXITCODES:
		return value_exitcodes(text, at);
	case KEY_LOGLEVEL:
		return value_loglevel(text, at);
	case KEY_GIVE_UP:
		return value_give_up(text, &restart->give_up_count, &restart->give_up_secs);
	case KEY_WORD:
		return store_word(k, text, at);
	default:
		return 1;
	}
}

static void add_words(struct buf *text, const char *const *words)
{
	for (size_t i = 0; words[i]; i++)
		buf_addf(text, "%s%s", i == 0 ? "" : words[i + 1] ? ", " : " or ", words[i]);
}

static void bad_value(struct build *b, const struct key *k, const char *text,
		      const struct ini_value *v)
{
	auto_buf struct buf expected = { 0 };

	if (k->type == KEY_WORD)
		add_words(&expected, k->words);
	else if ((k->flags & KEY_WHOLE) && b->dialect == CONF_SUPERVISORD)
		buf_add_str(&expected, "a whole number of seconds");
	else
		buf_add_str(&expected, keys_expected(k));
	if (buf_reserve(&expected, 0) < 0)
		b->err = -ENOMEM;
	else
		build_error(b, v, "'%s' is not valid (expected %s)", text, expected.data);
}

static void bad_directory(struct build *b, const char *path, int err, const struct ini_value *v)
{
	/* supervisord itself looks at a program's directory only when it starts the program. */
	if (b->dialect == CONF_SUPERVISORD && v->known->section == SECTION_PROGRAM &&
	    v->known->type == KEY_DIRECTORY)
		build_warn(b, v, "%s: %s", path, strerror(-err));
	else
		build_world_error(b, v, "%s: %s", path, strerror(-err));
}

static void store_path(struct build *b, const struct key *k, const char *text, const char **at,
		       const struct ini_value *v)
{
	const char *path, *directory;
	int err = 0;

	if (*text == '\0') {
		build_error(b, v, "a path is missing");
		return;
	}
	directory = path = place_path(b, text);
	if (!b->sources && *text != '/') {
		build_error(b, v, "'%s': a client must give an absolute path", text);
		return;
	}
	/* A client's directory is looked at with the client's rights, when it is entered. */
	if (k->type == KEY_DIRECTORY && b->sources)
		err = place_directory(b, path);
	else if (k->type == KEY_FILE)
		err = place_directory_of(b, path, &directory);
	if (err && v)
		bad_directory(b, directory, err, v);
	*at = path;
}

static void store_log(struct build *b, const struct key *k, const char *text, struct conf_log *log,
		      const struct ini_value *v)
{
	enum conf_log_kind kind = value_log_kind(text);

	log->path = NULL;
	if (kind == CONF_LOG_FILE) {
		struct key file = *k;

		file.type = KEY_FILE;
		store_path(b, &file, text, &log->path, v);
	}
	log->kind = kind == CONF_LOG_FILE && !log->path ? CONF_LOG_NONE : kind;
}

static void store_name(struct build *b, const char *text, const char **at,
		       const struct ini_value *v)
{
	const char *colon = strchr(text, ':');
	const char *group = colon ? pool_strn(&b->pool, text, (size_t)(colon - text)) : NULL;
	const char *problem = group ? text_name_problem(group) : NULL;

	if (!problem)
		problem = text_name_problem(colon ? colon + 1 : text);
	if (problem)
		build_error(b, v, "'%s': %s", text, problem);
	else /* "web:web" is the long form of "web" */
		*at = group && strcmp(group, colon + 1) == 0 ? group : pool_str(&b->pool, text);
}

void setting_store(struct build *b, const struct key *k, const char *text, void *target,
		   const struct ini_value *v)
{
	void *at = (char *)target + k->offset;
	int err = store_pure(b, k, text, at);

	if (err < 0)
		bad_value(b, k, text, v);
	if (err <= 0)
		return;
	if (k->type == KEY_TEXT)
		*(const char **)at = pool_str(&b->pool, text);
	else if (k->type == KEY_NAME)
		store_name(b, text, at, v);
	else if (k->type == KEY_PATH || k->type == KEY_FILE || k->type == KEY_DIRECTORY)
		store_path(b, k, text, at, v);
	else if (k->type == KEY_LOG)
		store_log(b, k, text, at, v);
	else if (k->type == KEY_ARGV)
		*(const char *const **)at = setting_words(b, text, v);
}

void setting_defaults(struct build *b, enum section_kind kind, bool each, void *target)
{
	for (size_t i = 0; i < keys_count; i++) {
		const struct key *k = &keys[i];
		bool supervisord = b->dialect == CONF_SUPERVISORD && k->supervisord;
		const char *text = supervisord ? k->supervisord : k->fallback;

		if (k->section == kind && !!(k->flags & KEY_EACH) == each && text &&
		    k->type != KEY_IGNORED && k->type < KEY_USER)
			setting_store(b, k, text, target, NULL);
	}
}

const char *const *setting_words(struct build *b, const char *text, const struct ini_value *v)
{
	auto_buf struct buf words = { 0 }, why = { 0 };
	size_t n = 0;
	int err = words_split(text, &words, &n, &why);

	if (err == -ENOMEM || buf_reserve(&why, 0) < 0) {
		b->err = -ENOMEM;
		return NULL;
	}
	if (err) {
		build_error(b, v, "%s", why.data);
		return NULL;
	}
	if (n == 0 || words.data[0] == '\0') {
		build_error(b, v, "a program is missing");
		return NULL;
	}
	return pool_vec(&b->pool, words.data, n);
}

static const char *find_variable(const char *const *env, const char *pair)
{
	size_t len = strcspn(pair, "=") + 1;

	for (; *env; env++)
		if (strncmp(*env, pair, len) == 0)
			return *env;
	return NULL;
}

const char *const *setting_merge(struct build *b, const char *const *under, const char *const *over)
{
	auto_buf struct buf all = { 0 };
	size_t n = 0;

	if (!under || !*under)
		return over;
	if (!*over)
		return under;
	for (; *under; under++) {
		const char *mine = find_variable(over, *under);

		buf_add_strz(&all, mine ? mine : *under);
		n++;
	}
	under -= n;
	for (; *over; over++)
		if (!find_variable(under, *over)) {
			buf_add_strz(&all, *over);
			n++;
		}
	if (buf_reserve(&all, 0) < 0)
		b->err = -ENOMEM;
	return pool_vec(&b->pool, b->err ? NULL : all.data, b->err ? 0 : n);
}

bool setting_environment(struct build *b, const char *text, const struct ini_value *v,
			 const char *const *under, const char *const **ret_own,
			 const char *const **ret_merged)
{
	auto_buf struct buf pairs = { 0 }, why = { 0 };
	bool lost = false;
	size_t n = 0;
	int err = words_environment(text, &pairs, &n, &lost, &why);

	*ret_own = pool_vec(&b->pool, NULL, 0);
	*ret_merged = under ? under : *ret_own;
	if (err == -ENOMEM || buf_reserve(&why, 0) < 0) {
		b->err = -ENOMEM;
		return false;
	}
	if (err) {
		build_error(b, v, "%s", why.data);
		return false;
	}
	if (lost && b->dialect == CONF_SUPERVISORD)
		build_warn(b, v,
			   "a part of this has no effect: put values with other characters "
			   "than letters, digits and _/.+-(): into quotes");
	else if (lost)
		build_error(b, v,
			    "put values with other characters than letters, digits and "
			    "_/.+-(): into quotes, and commas between variables");
	*ret_own = pool_vec(&b->pool, pairs.data, n);
	*ret_merged = setting_merge(b, under, *ret_own);
	return true;
}

void setting_user(struct build *b, const struct ini_value *v, const char *text,
		  const char **ret_name, uid_t *ret_uid, gid_t *ret_gid, const char **ret_home,
		  const char **ret_shell)
{
	const struct user *u = place_user(b, text);

	if (!u) {
		build_error(b, v, "there is no user '%s'", text);
		return;
	}
	if (u->uid == PLACE_GONE)
		build_warn(b, v, "there is no user '%s' any more", text);
	*ret_name = u->name; /* whose groups those are, also when a number was written */
	*ret_uid = u->uid;
	*ret_gid = u->gid;
	if (ret_home)
		*ret_home = u->home;
	if (ret_shell)
		*ret_shell = u->shell;
}

void setting_method(struct build *b, const struct ini_value *v, const char *text,
		    enum conf_method *ret_method, const char **ret_forkserver)
{
	static const char named[] = "forkserver:";
	const char *server = NULL;

	for (unsigned m = 0; m < CONF_METHOD_MAX; m++)
		if (strcmp(text, conf_method_name(m)) == 0) {
			*ret_method = m;
			*ret_forkserver = NULL;
			return;
		}
	if (strncmp(text, named, strlen(named)) == 0)
		server = text + strlen(named);
	if (!server) {
		build_error(b, v,
			    "'%s' is not valid (expected fork, spawn, forkserver or "
			    "forkserver:NAME)",
			    text);
	} else if (!conf_find_forkserver(b->conf, server)) {
		build_error(b, v, "there is no [forkserver:%s]", server);
	} else {
		*ret_method = CONF_FORKSERVER;
		*ret_forkserver = pool_str(&b->pool, server);
	}
}
