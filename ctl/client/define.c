#include "ctl/client/define.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "ctl/client/id.h"
#include "ctl/client/output.h"
#include "ctl/wire/text.h"
#include "daemon/base/mem.h"

int define_init(struct define *d)
{
	*d = (struct define){
		.parameters = json_object(),
		.settings = json_object(),
		.environment = json_array(),
		.timeout = -1,
		.directory_fd = -1,
	};
	return d->parameters && d->settings && d->environment ? 0 : -ENOMEM;
}

void define_done(struct define *d)
{
	json_decref(d->parameters);
	json_decref(d->settings);
	json_decref(d->environment);
	close_fd(&d->directory_fd);
}

static int out_of_memory(void)
{
	complain("out of memory");
	return CTL_FAILED;
}

/* KEY=VALUE into settings; a later one wins. */
static int add_setting(struct define *d, const struct ctl *ctl, const char *text)
{
	const char *equals = strchr(text, '=');
	auto_free char *key = equals ? strndup(text, (size_t)(equals - text)) : NULL;

	if (!equals || equals == text)
		return usage_error(ctl, "--set %s: not KEY=VALUE", text);
	if (!key || json_object_set_new(d->settings, key, text_str_to_json(equals + 1)) < 0)
		return usage_error(ctl, "--set %s: keys are UTF-8", text);
	return 0;
}

static int set_string(json_t *object, const char *key, const char *value)
{
	return json_object_set_new(object, key, text_str_to_json(value)) < 0 ? out_of_memory() : 0;
}

static int add_variable(struct define *d, const struct ctl *ctl, const char *text)
{
	if (!strchr(text, '=') || text[0] == '=')
		return usage_error(ctl, "--env %s: not NAME=VALUE", text);
	if (json_array_append_new(d->environment, text_str_to_json(text)) < 0)
		return out_of_memory();
	return 0;
}

static int set_daemon(struct define *d, bool daemon)
{
	return json_object_set_new(d->parameters, "daemon", json_boolean(daemon)) < 0
		       ? out_of_memory()
		       : 0;
}

int define_option(struct define *d, const struct ctl *ctl, int option)
{
	switch (option) {
	case 'e':
		return add_variable(d, ctl, optarg);
	case 'd':
		d->directory = optarg;
		return 0;
	case 'u':
		return set_string(d->settings, "user", optarg);
	case DEFINE_METHOD:
		return set_string(d->settings, "start_method", optarg);
	case DEFINE_DAEMON:
	case DEFINE_NO_DAEMON:
		return set_daemon(d, option == DEFINE_DAEMON);
	case DEFINE_PARENT:
		return set_string(d->parameters, "parent",
				  strcmp(optarg, "none") == 0 ? "fosterd" : optarg);
	case DEFINE_TIMEOUT:
		if (option_seconds(optarg, &d->timeout) < 0)
			return usage_error(ctl, "--timeout %s: not a number of seconds", optarg);
		return 0;
	case DEFINE_SET:
		return add_setting(d, ctl, optarg);
	default:
		return OPTION_ERROR;
	}
}

int define_environment(struct define *d)
{
	json_t *all = json_array();

	for (size_t i = 0; environ[i]; i++)
		/* What has no name cannot be an environment variable of anybody. */
		if (strchr(environ[i], '=') && environ[i][0] != '=' &&
		    json_array_append_new(all, text_str_to_json(environ[i])) < 0)
			break;
	if (json_array_extend(all, d->environment) < 0) {
		json_decref(all);
		return -ENOMEM;
	}
	json_decref(d->environment);
	d->environment = all;
	return 0;
}

void define_umask(struct define *d)
{
	mode_t mask = umask(0);
	char text[16];

	umask(mask);
	if (json_object_get(d->settings, "umask"))
		return;
	snprintf(text, sizeof text, "%03o", (unsigned)mask);
	(void)set_string(d->settings, "umask", text);
}

void define_stdio(struct define *d, const int stdio[3])
{
	memcpy(d->fds, stdio, 3 * sizeof *stdio);
	d->n_fds = 3;
	json_object_set_new(d->parameters, "stdio", json_true());
}

/* The directory goes as a descriptor, which we may open and fosterd need not, and as its name, which
 * people read. */
static int add_directory(struct define *d, const char *given)
{
	char path[PATH_MAX];

	d->directory_fd = open(given, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (d->directory_fd < 0 || !realpath(given, path)) {
		complain("%s: %s", given, strerror(errno));
		return CTL_FAILED;
	}
	d->fds[d->n_fds++] = d->directory_fd;
	json_object_set_new(d->parameters, "directory_descriptor", json_true());
	return set_string(d->parameters, "directory", path);
}

static int add_id(struct define *d)
{
	char id[ID_TEXT_BYTES];

	return id_new(id) < 0 ? CTL_FAILED : set_string(d->parameters, "id", id);
}

int define_finish(struct define *d, bool here, char *const *argv, int argc)
{
	json_t *list = json_array();
	int r = add_id(d);

	for (int i = 0; i < argc; i++)
		if (json_array_append_new(list, text_str_to_json(argv[i])) < 0)
			r = out_of_memory();
	if (json_object_set_new(d->parameters, "argv", list) < 0)
		r = out_of_memory();
	if (json_object_size(d->settings))
		json_object_set(d->parameters, "settings", d->settings);
	if (json_array_size(d->environment))
		json_object_set(d->parameters, "environment", d->environment);
	if (r == 0 && (d->directory || here))
		r = add_directory(d, d->directory ? d->directory : ".");
	return r;
}
