/* foster-logger - moves what children print from their pipes to files; see logger.h */
#include <fcntl.h>
#include <signal.h>

#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/sig.h"
#include "daemon/logger/logger.h"

static struct logger logger;

/* The keeper decides when the logger ends, by closing the link: not a Ctrl-C at the terminal, not a
 * reader of our stdout that went, not a file that may not grow. A background job's logger may write
 * to the terminal. */
static void ignore_signals(void)
{
	static const int ignored[] = { SIGTERM, SIGINT,	 SIGHUP,  SIGQUIT, SIGPIPE,
				       SIGUSR1, SIGUSR2, SIGXFSZ, SIGTTIN, SIGTTOU };

	for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
		(void)signal(ignored[i], SIG_IGN);
}

/* Nothing that is opened later may get the number of one that was not given. */
static bool fill_missing_fds(void)
{
	for (int fd = 0; fd <= LOGGER_STDERR_FD; fd++)
		if (fcntl(fd, F_GETFD) < 0 &&
		    (fd == LOGGER_LINK_FD || open("/dev/null", O_RDWR) != fd))
			return false;
	return true;
}

int main(void)
{
	int r;

	ignore_signals();
	log_init("logger");
	if (!fill_missing_fds()) {
		log_error(NULL,
			  "started without a link on descriptor %d, as only fosterd starts it",
			  LOGGER_LINK_FD);
		return 2;
	}
	r = logger_init(&logger, LOGGER_LINK_FD);
	if (r < 0) {
		errno = -r;
		log_error(NULL, "cannot start: %m");
		return 1;
	}
	logger_run(&logger);
	logger_done(&logger);
	return 0;
}
