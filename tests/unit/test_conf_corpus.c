/* Files that people wrote, against what supervisor's own reader makes of them: the files in
 * data/conf, whose results are in oracle.jsonl (one JSON object a line, as Python gave them), and
 * where it is there a large corpus, for which Python is asked now. */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf/conf.h"
#include "conf/ini.h"
#include "conf/lines.h"
#include "conf/sources.h"
#include "daemon/base/buf.h"
#include "daemon/base/mem.h"

#define CORPUS "../shared/corpus/supervisord"
#define ORACLE "../shared/tools/config-oracle.py"
#define ASK_ORACLE                                                                  \
	"find " CORPUS " -type f ! -name INDEX.md -print0 | sort -z | xargs -0 -r " \
	"/usr/bin/python3 " ORACLE " 2>/dev/null"

struct reading {
	struct ini ini;
	struct ini_section *section;
	unsigned n_problems;
};

static void on_section(void *data, const char *name, unsigned line)
{
	struct reading *r = data;

	r->section = ini_open(&r->ini, name, line);
}

static void on_value(void *data, const char *key, const char *value, unsigned line)
{
	struct reading *r = data;

	assert_non_null(r->section);
	ini_set(&r->ini, r->section, key, value, line);
}

static void on_problem(void *data, unsigned line, const char *text)
{
	struct reading *r = data;

	assert_int_not_equal(line, 0);
	assert_non_null(text);
	r->n_problems++;
}

static void read_text(struct reading *r, const struct buf *text)
{
	const struct lines_handler h = {
		.data = r, .on_section = on_section, .on_value = on_value, .on_problem = on_problem
	};

	*r = (struct reading){ 0 };
	ini_init(&r->ini);
	assert_int_equal(lines_read(text->data ? text->data : "", text->len, &h), 0);
	assert_int_equal(r->ini.err, 0);
}

static void slurp(const char *path, struct buf *ret_text)
{
	auto_file FILE *f = fopen(path, "rb");
	char block[4096];
	size_t n;

	if (!f)
		fail_msg("%s: cannot be read", path);
	while ((n = fread(block, 1, sizeof block, f)) > 0)
		buf_add(ret_text, block, n);
	assert_int_equal(buf_reserve(ret_text, 0), 0);
}

static const char *value_of(const struct ini_section *s, const char *key)
{
	for (const struct ini_value *v = s->values; v; v = v->next)
		if (strcmp(v->key, key) == 0)
			return v->text;
	return NULL;
}

/* Python's dict of a section holds what [DEFAULT] gives as well. */
static void compare_section(const char *file, const struct reading *r, const char *name,
			    const json_t *wanted)
{
	const struct ini_section *s = ini_section(&r->ini, name);
	size_t n = 0;
	const char *key;
	json_t *value;

	if (!s) {
		fail_msg("%s: no [%s]", file, name);
		return;
	}
	json_object_foreach((json_t *)wanted, key, value)
	{
		const char *text = value_of(s, key);

		if (!text)
			text = value_of(&r->ini.defaults, key);
		if (!text || strcmp(text, json_string_value(value)) != 0)
			fail_msg("%s: [%s] %s is '%s', not '%s'", file, name, key,
				 text ? text : "(nothing)", json_string_value(value));
	}
	for (const struct ini_value *v = s->values; v; v = v->next, n++)
		if (!json_object_get(wanted, v->key))
			fail_msg("%s: [%s] must have no %s", file, name, v->key);
	for (const struct ini_value *v = r->ini.defaults.values; v; v = v->next)
		n += value_of(s, v->key) == NULL;
	assert_int_equal(n, json_object_size(wanted));
}

static void compare_row(const json_t *row)
{
	const char *file = json_string_value(json_object_get(row, "file"));
	const json_t *sections = json_object_get(row, "sections");
	auto_buf struct buf text = { 0 };
	struct reading r;
	size_t n = 0;
	const char *name;
	json_t *wanted;

	slurp(file, &text);
	read_text(&r, &text);
	if (!sections && r.n_problems == 0)
		fail_msg("%s: Python says %s", file,
			 json_string_value(json_object_get(row, "error")));
	if (sections && r.n_problems > 0)
		fail_msg("%s: Python finds nothing wrong", file);
	json_object_foreach((json_t *)sections, name, wanted)
		compare_section(file, &r, name, wanted);
	for (const struct ini_section *s = r.ini.sections; s && sections; s = s->next, n++)
		if (!json_object_get(sections, s->name))
			fail_msg("%s: must have no [%s]", file, s->name);
	assert_int_equal(n, json_object_size(sections));
	ini_done(&r.ini);
}

/* What the oracle gives to every %(ENV_x)s, as environment strings. */
static void make_environ(const char *text, struct buf *strings, const char **vector, size_t room)
{
	size_t n = 0;
	const char *s;

	for (const char *p = text; (p = strstr(p, "%(ENV_")) != NULL; p++) {
		size_t len = strcspn(p + 6, ")");
		const char *value = memmem(p, len + 6, "LEVEL", 5) ? "info"
				    : memmem(p, len + 6, "URL", 3) ? "unix:///x"
								   : "1";

		buf_addf(strings, "%.*s=%s", (int)len, p + 6, value);
		buf_add_char(strings, '\0');
	}
	for (s = strings->data; s && s < strings->data + strings->len; s += strlen(s) + 1) {
		assert_true(n + 1 < room);
		vector[n++] = s;
	}
	vector[n] = NULL;
}

static void must_load(const json_t *row)
{
	const char *file = json_string_value(json_object_get(row, "file"));
	auto_buf struct buf text = { 0 }, strings = { 0 };
	const char *env[1024];
	struct conf_sources *s = NULL;
	struct conf_diag diag = { 0 };
	struct conf *c = NULL;

	slurp(file, &text);
	if (!json_object_get(json_object_get(row, "sections"), "supervisord"))
		buf_add_str(&text, "\n[supervisord]\n");
	make_environ(text.data, &strings, env, ARRAY_SIZE(env));
	assert_int_equal(conf_sources_of(file, text.data, text.len, &s), 0);
	s->revived = true; /* users and directories of other machines are no errors */
	if (conf_parse(s, env, &c, &diag) != 0)
		for (size_t i = 0; i < diag.n_problems; i++)
			if (diag.problems[i].fatal)
				fail_msg("%s", conf_problem_text(&diag.problems[i]));
	assert_non_null(c);
	assert_int_equal(c->main.dialect, CONF_SUPERVISORD);
	conf_unref(c);
	conf_diag_done(&diag);
	conf_sources_free(s);
}

/* Call each row of a stream of JSON lines; returns how many there were. */
static unsigned each_row(FILE *f, void (*on_row)(const json_t *row))
{
	unsigned n = 0;
	json_t *row;

	while ((row = json_loadf(f, JSON_DISABLE_EOF_CHECK, NULL)) != NULL) {
		on_row(row);
		json_decref(row);
		n++;
	}
	return n;
}

static void compare_and_load(const json_t *row)
{
	const char *load = json_string_value(json_object_get(row, "load"));

	compare_row(row);
	if (load && strcmp(load, "ok") == 0)
		must_load(row);
}

static void our_files_read_as_python_reads_them(void **unused)
{
	auto_file FILE *f = fopen("tests/unit/data/conf/oracle.jsonl", "r");

	(void)unused;
	assert_non_null(f);
	assert_int_equal(each_row(f, compare_and_load), 8);
}

static void the_examples_are_right(void **unused)
{
	static const char *const files[] = { "conf/examples/foster.ini",
					     "conf/examples/container.ini",
					     "conf/examples/supervisord.conf" };

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		auto_buf struct buf text = { 0 };
		struct conf_sources *s = NULL;
		struct conf_diag diag = { 0 };
		struct conf *c = NULL;

		slurp(files[i], &text);
		assert_int_equal(conf_sources_of(files[i], text.data, text.len, &s), 0);
		(void)conf_parse(s, NULL, &c, &diag);
		if (diag.n_problems)
			fail_msg("%s", conf_problem_text(&diag.problems[0]));
		conf_unref(c);
		conf_diag_done(&diag);
		conf_sources_free(s);
	}
}

static void real_files_read_and_load_as_in_supervisor(void **unused)
{
	FILE *f;
	unsigned n;

	(void)unused;
	if (access(CORPUS, R_OK) != 0 || access(ORACLE, R_OK) != 0 ||
	    system("/usr/bin/python3 -c 'import supervisor.options' 2>/dev/null") != 0) {
		print_message("skipped: no corpus in " CORPUS ", or Python has no supervisor\n");
		skip();
	}
	f = popen(ASK_ORACLE, "r");
	assert_non_null(f);
	n = each_row(f, compare_and_load);
	assert_int_equal(pclose(f), 0);
	print_message("%u files\n", n);
	assert_true(n >= 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(our_files_read_as_python_reads_them),
		cmocka_unit_test(the_examples_are_right),
		cmocka_unit_test(real_files_read_and_load_as_in_supervisor),
	};

	return cmocka_run_group_tests_name("conf_corpus", tests, NULL, NULL);
}
