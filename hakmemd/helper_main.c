/* SPDX-License-Identifier: MIT */
/*
 * hakmem-helper: the small privileged part. It holds CAP_SYS_NICE and CAP_SYS_PTRACE, which hakmemd does
 * not, and does three things for it: drop pages that other processes have freed lazily, tell who a process
 * is, and make huge pages where a process has advised them. It keeps no state, reads no configuration and
 * trusts nobody: who is connected is asked of the kernel, and must be root or the owner of the runtime
 * directory.
 *
 * One thread, one request at a time. Exit: 0 after SIGTERM or SIGINT, 1 otherwise, 2 for a wrong command
 * line.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "helper.h"
#include "log.h"

enum { EXIT_USAGE = 2, CONNECTIONS_MOST = 4 };

static struct {
	struct hak_client_home place;
	uid_t owner; /* of the runtime directory */
	unsigned connections;
} helper = {.place.clients_fd = -1};

/* ---- the runtime directory --------------------------------------------------------------------------- */

/* How the kernel prints the device of files there: a mapping of one of them tells. */
static int learn_device(int directory_fd)
{
	int fd = openat(directory_fd, HAK_CONTROL_FILE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), r;
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	void *page;

	if (fd < 0)
		return -errno;
	page = mmap(NULL, page_bytes, PROT_READ, MAP_SHARED, fd, 0);
	r = page == MAP_FAILED ? -errno : 0;
	close(fd);
	if (r < 0)
		return r;
	r = hak_process_maps_device(page, &helper.place.maps_major, &helper.place.maps_minor);
	(void)munmap(page, page_bytes); /* a mapping of ours: cannot fail */
	return r;
}

static int take_place(const char *runtime_dir)
{
	int fd = open(runtime_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	struct stat status;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) < 0)
		r = -errno;
	helper.owner = status.st_uid;
	if (r == 0)
		r = learn_device(fd);
	if (r == 0) {
		/* Not to be listed by others, which we are: the names come with the requests. */
		helper.place.clients_fd = openat(fd, HAK_CLIENTS_DIR, O_PATH | O_DIRECTORY | O_CLOEXEC);
		r = helper.place.clients_fd < 0 ? -errno : 0;
	}
	close(fd);
	return r;
}

/* ---- connections ------------------------------------------------------------------------------------- */

static void hang_up(sd_event_source *source, int fd)
{
	sd_event_source_disable_unref(source);
	close(fd);
	helper.connections--;
}

static int on_request(sd_event_source *source, int fd, uint32_t events, void *data)
{
	struct hak_helper_request request;
	struct hak_helper_reply reply;
	ssize_t length;

	length = recv(fd, &request, sizeof(request), MSG_DONTWAIT);
	if (length < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (length <= 0) {
		hang_up(source, fd);
		return 0;
	}
	if (length != (ssize_t)sizeof(request) || !hak_helper_request_valid(&request))
		reply = (struct hak_helper_reply){.version = HAK_HELPER_VERSION, .error = -EPROTO};
	else if (request.kind == HAK_HELPER_IDENTIFY)
		reply = hak_helper_identify(&helper.place, &request);
	else if (request.kind == HAK_HELPER_COLLAPSE)
		reply = hak_helper_collapse(&helper.place, &request);
	else
		reply = hak_helper_purge(&helper.place, &request);
	if (send(fd, &reply, sizeof(reply), MSG_NOSIGNAL) < 0)
		hang_up(source, fd);
	return 0;
}

static bool may_ask(int fd)
{
	struct ucred peer;
	socklen_t length = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0)
		return false;
	if (peer.uid == 0 || peer.uid == helper.owner)
		return true;
	hak_log(LOG_WARNING, "uid %u (pid %d) is neither root nor the runtime directory's owner: refused",
		(unsigned)peer.uid, (int)peer.pid);
	return false;
}

static int on_connect(sd_event_source *source, int listener, uint32_t events, void *data)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	sd_event_source *connection;

	if (fd < 0)
		return 0; /* gone again */
	if (helper.connections >= CONNECTIONS_MOST || !may_ask(fd) ||
	    sd_event_add_io(sd_event_source_get_event(source), &connection, fd, EPOLLIN, on_request, NULL) <
		    0)
		close(fd);
	else
		helper.connections++;
	return 0;
}

/* The socket that systemd made, or one of our own. */
static int make_listener(const char *runtime_dir)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	if (sd_listen_fds(1) == 1)
		return SD_LISTEN_FDS_START;
	if (snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", runtime_dir, HAK_HELPER_SOCKET) >=
	    (int)sizeof(address.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	(void)unlink(address.sun_path); /* of a helper before us */
	(void)umask(0177);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    chown(address.sun_path, helper.owner, (gid_t)-1) < 0 || listen(fd, CONNECTIONS_MOST) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

/* ---- begin, end -------------------------------------------------------------------------------------- */

static int serve(int listener)
{
	sd_event *event = NULL;
	sigset_t signals;
	int r;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	r = sigprocmask(SIG_BLOCK, &signals, NULL) < 0 ? -errno : sd_event_default(&event);
	if (r >= 0)
		r = sd_event_add_signal(event, NULL, SIGTERM, NULL,
					NULL); /* no handler: ends the loop with 0 */
	if (r >= 0)
		r = sd_event_add_signal(event, NULL, SIGINT, NULL, NULL);
	if (r >= 0)
		r = sd_event_add_io(event, NULL, listener, EPOLLIN, on_connect, NULL);
	if (r >= 0)
		r = sd_event_set_watchdog(event, 1);
	if (r >= 0) {
		(void)sd_notify(0, "READY=1"); /* nobody listens: fine */
		r = sd_event_loop(event);
	}
	sd_event_unref(event);
	return r;
}

static int run(const char *runtime_dir)
{
	int r = take_place(runtime_dir), listener;

	if (r < 0) {
		hak_log(LOG_ERR, "cannot use %s: %s; hakmemd makes it, so start that first", runtime_dir,
			strerror(-r));
		return EXIT_FAILURE;
	}
	listener = make_listener(runtime_dir);
	if (listener < 0) {
		hak_log(LOG_ERR, "cannot listen at %s/%s: %s", runtime_dir, HAK_HELPER_SOCKET,
			strerror(-listener));
		return EXIT_FAILURE;
	}
	r = serve(listener);
	if (r < 0)
		hak_log(LOG_ERR, "the event loop failed: %s", strerror(-r));
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static void print_help(void)
{
	fputs("hakmem-helper [OPTIONS]\n"
	      "Does for hakmemd what needs CAP_SYS_NICE and CAP_SYS_PTRACE: drops memory that processes\n"
	      "have freed lazily, makes huge pages where they want them, and tells who they are.\n\n"
	      "      --runtime-dir=DIR  hakmemd's; default /run/hakmem\n"
	      "      --version\n"
	      "  -h, --help\n",
	      stdout);
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"runtime-dir", required_argument, NULL, 'r'},
		{"version", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	const char *runtime_dir = "/run/hakmem";
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":h", long_options, NULL)) != -1) {
		switch (option) {
		case 'r':
			runtime_dir = optarg;
			break;
		case 'v':
			printf("hakmem-helper %s\n", HAK_VERSION);
			return EXIT_SUCCESS;
		case 'h':
			print_help();
			return EXIT_SUCCESS;
		case ':':
			fprintf(stderr, "hakmem-helper: option '%s' needs a value\n", argv[optind - 1]);
			return EXIT_USAGE;
		default:
			fprintf(stderr,
				"hakmem-helper: wrong option '%s'; 'hakmem-helper --help' lists them\n",
				argv[optind - 1]);
			return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "hakmem-helper: '%s' is not an option, and nothing else is understood\n",
			argv[optind]);
		return EXIT_USAGE;
	}
	return run(runtime_dir);
}
