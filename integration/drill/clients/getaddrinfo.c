// A client that does what most programs do under their libraries: getaddrinfo of the C library, which
// keeps nothing, then a connection for each request.
//
//   getaddrinfo http://HOST:PORT/PATH TIMEOUT_MS
//
// It asks once a second and prints a line for each request: "@ END_MS TOOK_MS STATUS BODY".

#define _GNU_SOURCE
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static char host[256], port[8] = "80", path[512] = "/";

static long long now(void) {
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

// wait_for waits until the socket is ready for these events, or the deadline is over.
static int wait_for(int fd, short events, long long deadline) {
	struct pollfd p = {fd, events, 0};
	long long left = deadline - now();
	if (left > 0 && poll(&p, 1, (int)left) > 0)
		return 0;
	errno = ETIMEDOUT;
	return -1;
}

// open_to connects to the first of the addresses that takes the connection.
static int open_to(struct addrinfo *list, long long deadline) {
	for (struct addrinfo *a = list; a; a = a->ai_next) {
		int fd = socket(a->ai_family, a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, a->ai_protocol);
		if (fd < 0)
			continue;
		int failed = connect(fd, a->ai_addr, a->ai_addrlen) < 0 ? errno : 0;
		if (failed == EINPROGRESS) {
			socklen_t size = sizeof failed;
			if (wait_for(fd, POLLOUT, deadline) < 0)
				failed = ETIMEDOUT;
			else
				getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &size);
		}
		if (!failed)
			return fd;
		close(fd);
		errno = failed;
	}
	return -1;
}

// get makes one request and returns the whole reply, or NULL with the reason in why.
static char *get(long long deadline, const char **why) {
	static char reply[16384];
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
	int code = getaddrinfo(host, port, &hints, &list);
	if (code) {
		*why = gai_strerror(code);
		return NULL;
	}
	int fd = open_to(list, deadline);
	freeaddrinfo(list);
	if (fd < 0) {
		*why = strerror(errno);
		return NULL;
	}
	char request[1024];
	int size = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s:%s\r\nConnection: close\r\n\r\n", path, host, port);
	size_t got = 0;
	*why = "no reply";
	if (send(fd, request, size, MSG_NOSIGNAL) == size) {
		while (got < sizeof reply - 1 && wait_for(fd, POLLIN, deadline) == 0) {
			ssize_t n = recv(fd, reply + got, sizeof reply - 1 - got, 0);
			if (n <= 0)
				break;
			got += n;
		}
	}
	close(fd);
	reply[got] = 0;
	return got ? reply : NULL;
}

int main(int argc, char **argv) {
	if (argc != 3 || sscanf(argv[1], "http://%255[^:/]:%7[0-9]%511s", host, port, path) < 2) {
		fprintf(stderr, "usage: getaddrinfo http://HOST:PORT/PATH TIMEOUT_MS\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (;;) {
		long long began = now();
		const char *why = "";
		char *reply = get(began + atoi(argv[2]), &why), *body = NULL;
		int status = 0;
		if (reply && sscanf(reply, "HTTP/1.%*d %d", &status) == 1 && (body = strstr(reply, "\r\n\r\n")))
			body[4 + strcspn(body + 4, "\r\n")] = 0; // the first line
		printf("@ %lld %lld %d %s\n", now(), now() - began, status, body ? body + 4 : why);
		long long left = began + 1000 - now();
		if (left > 0)
			usleep(left * 1000);
	}
}
