/* Who may what: rules and peers made by hand, so that no user of this machine matters. */
#include "tests/unit/front.h"

#include <unistd.h>

#include "daemon/supervisor/access.h"

#define OPS 1001U
#define DEV 1002U
#define STRANGER 1003U
#define STAFF 50U

static const uid_t ops[] = { OPS }, dev[] = { DEV };
static const gid_t staff[] = { STAFF };
static const char *const none[] = { NULL }, *const webs[] = { "web*", NULL };

static const struct conf_access rules[] = {
	{ .name = "ops", .uids = ops, .n_uids = 1, .programs = none, .allow = CONF_READ },
	{ .name = "web",
	  .uids = ops,
	  .n_uids = 1,
	  .programs = webs,
	  .allow = CONF_READ | CONF_CONTROL },
	{ .name = "staff", .gids = staff, .n_gids = 1, .programs = none, .allow = CONF_RUN },
	{ .name = "dev", .uids = dev, .n_uids = 1, .programs = webs, .allow = CONF_ADMIN },
};

struct fixture {
	struct supervisor *s;
	struct process *web, *db, *job;
};

static int setup(void **state)
{
	static struct fixture f;

	f.s = front_new("[program:web]\ncommand = sleep 1\n[program:db]\ncommand = sleep 1\n");
	f.web = process_find(f.s, "web");
	f.db = process_find(f.s, "db");
	f.job = front_define(f.s, "web-job", STRANGER);
	f.s->conf->accesses = rules;
	f.s->conf->n_accesses = ARRAY_SIZE(rules);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	f->s->conf->accesses = NULL;
	f->s->conf->n_accesses = 0;
	front_free(f->s);
	return 0;
}

static struct rpc_peer peer_of(uid_t uid)
{
	return (struct rpc_peer){ .uid = uid, .gid = 100 };
}

static void root_and_fosterds_own_user_may_everything(void **state)
{
	const struct fixture *f = *state;
	const struct rpc_peer root = peer_of(0), own = peer_of(geteuid());

	assert_int_equal(access_any(f->s, &root), ACCESS_ALL);
	assert_int_equal(access_global(f->s, &own), ACCESS_ALL);
	assert_int_equal(access_to(f->s, &root, f->job), ACCESS_ALL);
}

static void who_is_not_named_may_nothing(void **state)
{
	const struct fixture *f = *state;
	const struct rpc_peer stranger = peer_of(STRANGER);

	assert_int_equal(access_any(f->s, &stranger), 0);
	assert_int_equal(access_to(f->s, &stranger, f->web), 0);
	assert_false(access_sees(f->s, &stranger, f->web));
}

static void sections_add_up_and_patterns_bind_them(void **state)
{
	const struct fixture *f = *state;
	const struct rpc_peer peer = peer_of(OPS);

	assert_int_equal(access_any(f->s, &peer), CONF_READ | CONF_CONTROL);
	assert_int_equal(access_to(f->s, &peer, f->web), CONF_READ | CONF_CONTROL);
	assert_int_equal(access_to(f->s, &peer, f->db), CONF_READ);
	assert_int_equal(access_global(f->s, &peer), CONF_READ);
}

static void control_is_over_what_is_configured_not_over_what_others_run(void **state)
{
	const struct fixture *f = *state;
	const struct rpc_peer peer = peer_of(OPS);

	assert_int_equal(access_to(f->s, &peer, f->job), CONF_READ);
}

static void a_client_owns_what_he_defined_and_nothing_else(void **state)
{
	const struct fixture *f = *state;
	const struct rpc_peer stranger = peer_of(STRANGER);

	assert_true(access_owns(&stranger, f->job));
	assert_int_equal(access_to(f->s, &stranger, f->job), CONF_READ | CONF_CONTROL);
	assert_false(access_owns(&stranger, f->db));
	f->job->client->uid = OPS;
	assert_int_equal(access_to(f->s, &stranger, f->job), 0);
}

static void a_supplementary_group_counts(void **state)
{
	const struct fixture *f = *state;
	gid_t groups[] = { 7, STAFF };
	struct rpc_peer peer = peer_of(STRANGER);

	peer.groups = groups;
	peer.n_groups = ARRAY_SIZE(groups);
	assert_int_equal(access_any(f->s, &peer), CONF_RUN);
	assert_int_equal(access_to_name(f->s, &peer, "anything"), CONF_RUN);
	peer.n_groups = 1;
	assert_int_equal(access_any(f->s, &peer), 0);
	peer.gid = STAFF;
	assert_int_equal(access_any(f->s, &peer), CONF_RUN);
}

static void to_run_is_a_right_to_new_names_not_to_what_is_there(void **state)
{
	const struct fixture *f = *state;
	struct rpc_peer peer = peer_of(OPS + 100);

	peer.gid = STAFF;
	assert_int_equal(access_to(f->s, &peer, f->web), 0);
	assert_false(access_sees(f->s, &peer, f->web));
}

static void an_admin_of_some_programs_is_not_admin_of_fosterd(void **state)
{
	const struct fixture *f = *state;
	const struct rpc_peer peer = peer_of(DEV);

	assert_int_equal(access_to(f->s, &peer, f->web) & CONF_ADMIN, CONF_ADMIN);
	assert_int_equal(access_to(f->s, &peer, f->job) & CONF_CONTROL, CONF_CONTROL);
	assert_int_equal(access_to(f->s, &peer, f->db), 0);
	assert_int_equal(access_global(f->s, &peer), 0);
	assert_int_equal(access_to_name(f->s, &peer, "web-2"), ACCESS_ALL);
}

static void a_set_of_rights_is_named_by_its_least(void **state)
{
	(void)state;
	assert_string_equal(access_right_name(ACCESS_ALL), "read");
	assert_string_equal(access_right_name(CONF_CONTROL | CONF_ADMIN), "control");
	assert_string_equal(access_right_name(CONF_RUN), "run");
	assert_string_equal(access_right_name(CONF_ADMIN), "admin");
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(root_and_fosterds_own_user_may_everything),
		test(who_is_not_named_may_nothing),
		test(sections_add_up_and_patterns_bind_them),
		test(control_is_over_what_is_configured_not_over_what_others_run),
		test(a_client_owns_what_he_defined_and_nothing_else),
		test(a_supplementary_group_counts),
		test(to_run_is_a_right_to_new_names_not_to_what_is_there),
		test(an_admin_of_some_programs_is_not_admin_of_fosterd),
		cmocka_unit_test(a_set_of_rights_is_named_by_its_least),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
