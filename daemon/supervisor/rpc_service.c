#include <stdio.h>
#include <string.h>

#include "daemon/supervisor/access.h"
#include "daemon/supervisor/rpc_server.h"

#define SERVICE "org.varlink.service"

/* As https://varlink.org/Service has it, with the two errors that systemd's services added. */
static const char service_interface[] =
	"# The Varlink Service Interface is provided by every varlink service. It\n"
	"# describes the service and the interfaces it implements.\n"
	"interface " SERVICE "\n"
	"\n"
	"# Get a list of all the interfaces a service provides and information\n"
	"# about the implementation.\n"
	"method GetInfo() -> (\n"
	"  vendor: string,\n"
	"  product: string,\n"
	"  version: string,\n"
	"  url: string,\n"
	"  interfaces: []string\n"
	")\n"
	"\n"
	"# Get the description of an interface that is implemented by this service.\n"
	"method GetInterfaceDescription(interface: string) -> (description: string)\n"
	"\n"
	"# The requested interface was not found.\n"
	"error InterfaceNotFound (interface: string)\n"
	"\n"
	"# The requested method was not found\n"
	"error MethodNotFound (method: string)\n"
	"\n"
	"# The interface defines the requested method, but the service does not\n"
	"# implement it.\n"
	"error MethodNotImplemented (method: string)\n"
	"\n"
	"# One of the passed parameters is invalid.\n"
	"error InvalidParameter (parameter: string)\n"
	"\n"
	"# Client is denied access\n"
	"error PermissionDenied ()\n"
	"\n"
	"# Method is expected to be called with 'more' set to true, but wasn't\n"
	"error ExpectedMore ()\n";

static void error_about(struct rpc_call *call, const char *name, const char *key, const char *value)
{
	rpc_error(call, name, json_pack("{s:s}", key, value));
}

/* ---- org.varlink.service ------------------------------------------------------------------- */

static void get_info(struct rpc_conn *c)
{
	rpc_reply(&c->call,
		  json_pack("{s:s,s:s,s:s,s:s,s:[s,s]}", "vendor", "foster", "product", "foster",
			    "version", FOSTER_VERSION, "url", "man:fosterctl(1)", "interfaces",
			    SERVICE, c->server->interface_name));
}

static void get_interface_description(struct rpc_conn *c, const json_t *parameters)
{
	const char *name = json_string_value(json_object_get(parameters, "interface"));
	const char *text = NULL;

	if (!name) {
		rpc_error_parameter(&c->call, "interface");
		return;
	}
	if (strcmp(name, SERVICE) == 0)
		text = service_interface;
	else if (strcmp(name, c->server->interface_name) == 0)
		text = c->server->config.interface;
	if (text)
		rpc_reply(&c->call, json_pack("{s:s}", "description", text));
	else
		error_about(&c->call, SERVICE ".InterfaceNotFound", "interface", name);
}

static bool is_service_method(struct rpc_conn *c, const struct call *call)
{
	if (strcmp(call->method, SERVICE ".GetInfo") == 0)
		get_info(c);
	else if (strcmp(call->method, SERVICE ".GetInterfaceDescription") == 0)
		get_interface_description(c, call->parameters);
	else
		return false;
	return true;
}

/* ---- the table ----------------------------------------------------------------------------- */

static const struct rpc_method *find_method(const struct rpc_config *config, const char *name)
{
	for (size_t i = 0; i < config->n_methods; i++)
		if (strcmp(config->methods[i].name, name) == 0)
			return &config->methods[i];
	return NULL;
}

/* The interface is all before the last dot. A name without one has no interface at all. */
static void unknown_method(struct rpc_conn *c, const char *method)
{
	const char *dot = strrchr(method, '.');
	size_t len = dot ? (size_t)(dot - method) : strlen(method);
	const char *ours = c->server->interface_name;
	bool known = (len == strlen(ours) && memcmp(method, ours, len) == 0) ||
		     (len == strlen(SERVICE) && memcmp(method, SERVICE, len) == 0);

	if (known)
		error_about(&c->call, SERVICE ".MethodNotFound", "method", method);
	else
		rpc_error(&c->call, SERVICE ".InterfaceNotFound",
			  json_pack("{s:s%}", "interface", method, len));
}

static void not_permitted(struct rpc_conn *c, const struct rpc_method *m)
{
	char name[RPC_INTERFACE_NAME_MAX + sizeof ".NotPermitted"];

	snprintf(name, sizeof name, "%s.NotPermitted", c->server->interface_name);
	error_about(&c->call, name, "right", access_right_name(m->rights));
}

void rpc_dispatch(struct rpc_conn *c, const struct call *call)
{
	const struct rpc_config *config = &c->server->config;
	const struct rpc_method *m;

	if (call->upgrade) { /* to another protocol: none of our methods does that */
		error_about(&c->call, SERVICE ".MethodNotImplemented", "method", call->method);
		return;
	}
	if (is_service_method(c, call))
		return;
	m = find_method(config, call->method);
	if (!m)
		unknown_method(c, call->method);
	else if (m->rights && !(m->rights & config->rights(config->data, &c->peer)))
		not_permitted(c, m);
	else
		m->handler(config->data, &c->call, call->parameters);
}
