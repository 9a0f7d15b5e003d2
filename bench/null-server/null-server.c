/*
 * A null S3 server: takes requests as fast as one core parses them, stores nothing, and answers
 * what S3 would. It costs so little that the CPU of a client can be measured beside it.
 *
 *   null-server [port]      prints the port that it listens on (127.0.0.1 only), ends by SIGTERM
 *                           and with the process that started it
 *
 * GET of an object brings 4,096 bytes; ListObjectsV2 pages of 1,000 through 100,000 keys;
 * GET /_null/counters tells what arrived, as JSON.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { OBJECT_BYTES = 4096, PAGE_KEYS = 1000, ALL_KEYS = 100000 };
enum { HEAD_LIMIT = 32 * 1024, SCRATCH = 1024 * 1024, EVENTS = 256 };

/* What S3 sends along with every answer; the values do not matter, their number and length do. */
#define COMMON                                                                                     \
  "x-amz-id-2: Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4\r\n"               \
  "x-amz-request-id: 7B4A0FABBEXAMPLE\r\n"                                                         \
  "Date: Wed, 25 Nov 2026 12:00:00 GMT\r\n"                                                        \
  "Server: AmazonS3\r\n"
#define ETAG "\"0123456789abcdef0123456789abcdef\""
#define OBJECT_HEADERS                                                                             \
  "Last-Modified: Tue, 24 Nov 2026 12:00:00 GMT\r\n"                                               \
  "ETag: " ETAG "\r\n"                                                                             \
  "x-amz-server-side-encryption: AES256\r\n"                                                       \
  "Accept-Ranges: bytes\r\n"                                                                       \
  "Content-Type: application/octet-stream\r\n"

struct connection {
  int fd;
  int counted; /* control connections are not */
  char head[HEAD_LIMIT];
  size_t head_used;
  unsigned long long body_left;
  char *out;
  size_t out_used, out_sent, out_size;
  /* The answer waits until the body is in. */
  char method[8];
  char target[4096];
  char range[64];
};

static struct {
  unsigned long long connections, put, get, head, delete_, post, list, body_bytes;
} counters;

static char object[OBJECT_BYTES];
static char scratch[SCRATCH];
static int poller;

static void die(const char *what) {
  perror(what);
  exit(1);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void reserve(struct connection *c, size_t more) {
  if (c->out_used + more <= c->out_size) return;
  c->out_size = (c->out_used + more) * 2;
  c->out = realloc(c->out, c->out_size);
  if (c->out == NULL) die("realloc");
}

static void append(struct connection *c, const char *bytes, size_t length) {
  reserve(c, length);
  memcpy(c->out + c->out_used, bytes, length);
  c->out_used += length;
}

static void format(struct connection *c, const char *pattern, ...) {
  va_list arguments;
  reserve(c, 8192);
  va_start(arguments, pattern);
  c->out_used += (size_t)vsnprintf(c->out + c->out_used, 8192, pattern, arguments);
  va_end(arguments);
}

static void answer_document(struct connection *c, const char *type, const char *text, size_t length) {
  format(c, "HTTP/1.1 200 OK\r\n" COMMON "Content-Type: %s\r\nContent-Length: %zu\r\n\r\n", type, length);
  append(c, text, length);
}

static void answer_counters(struct connection *c) {
  char text[512];
  int length = snprintf(text, sizeof text,
                        "{\"connections\":%llu,\"put\":%llu,\"get\":%llu,\"head\":%llu,\"delete\":%llu,"
                        "\"post\":%llu,\"list\":%llu,\"bodyBytes\":%llu}",
                        counters.connections, counters.put, counters.get, counters.head,
                        counters.delete_, counters.post, counters.list, counters.body_bytes);
  answer_document(c, "application/json", text, (size_t)length);
}

static void answer_object(struct connection *c) {
  unsigned long long start = 0, end = OBJECT_BYTES - 1;
  counters.get++;
  if (sscanf(c->range, "bytes=%llu-%llu", &start, &end) < 1) {
    format(c, "HTTP/1.1 200 OK\r\n" COMMON OBJECT_HEADERS "Content-Length: %d\r\n\r\n", OBJECT_BYTES);
    append(c, object, OBJECT_BYTES);
    return;
  }
  if (end >= OBJECT_BYTES) end = OBJECT_BYTES - 1;
  if (start > end) {
    format(c, "HTTP/1.1 416 Range Not Satisfiable\r\n" COMMON "Content-Length: 0\r\n\r\n");
    return;
  }
  format(c,
         "HTTP/1.1 206 Partial Content\r\n" COMMON OBJECT_HEADERS
         "Content-Range: bytes %llu-%llu/%d\r\nContent-Length: %llu\r\n\r\n",
         start, end, OBJECT_BYTES, end - start + 1);
  append(c, object + start, end - start + 1);
}

static void answer_listing(struct connection *c) {
  static char page[PAGE_KEYS * 512];
  const char *token = strstr(c->target, "continuation-token=");
  int first = token == NULL ? 0 : atoi(token + strlen("continuation-token="));
  int next = first + PAGE_KEYS;
  size_t used = 0;
  counters.list++;
  used += (size_t)sprintf(page + used,
                          "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                          "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                          "<Name>bench</Name><Prefix></Prefix><KeyCount>%d</KeyCount><MaxKeys>%d</MaxKeys>%s",
                          PAGE_KEYS, PAGE_KEYS,
                          strstr(c->target, "encoding-type=url") ? "<EncodingType>url</EncodingType>" : "");
  if (next < ALL_KEYS)
    used += (size_t)sprintf(page + used, "<IsTruncated>true</IsTruncated><NextContinuationToken>%d</NextContinuationToken>", next);
  else
    used += (size_t)sprintf(page + used, "<IsTruncated>false</IsTruncated>");
  for (int i = first; i < next && i < ALL_KEYS; i++)
    used += (size_t)sprintf(page + used,
                            "<Contents><Key>media/2026/%03d/picture-%06d.jpg</Key>"
                            "<LastModified>2026-11-24T12:00:00.000Z</LastModified>"
                            "<ETag>&quot;%032x&quot;</ETag><ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm>"
                            "<ChecksumType>FULL_OBJECT</ChecksumType><Size>%d</Size>"
                            "<StorageClass>STANDARD</StorageClass></Contents>",
                            i / 1000, i, i, 1000 + i);
  used += (size_t)sprintf(page + used, "</ListBucketResult>");
  answer_document(c, "application/xml", page, used);
}

static void answer_get(struct connection *c) {
  if (strncmp(c->target, "/_null/", 7) == 0) answer_counters(c);
  else if (strstr(c->target, "list-type=2") != NULL) answer_listing(c);
  else answer_object(c);
}

static void answer_post(struct connection *c) {
  static const char created[] =
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<InitiateMultipartUploadResult>"
      "<Bucket>bench</Bucket><Key>key</Key><UploadId>upload-1</UploadId></InitiateMultipartUploadResult>";
  static const char completed[] =
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<CompleteMultipartUploadResult>"
      "<Bucket>bench</Bucket><Key>key</Key><ETag>" ETAG "</ETag></CompleteMultipartUploadResult>";
  int completes = strstr(c->target, "uploadId=") != NULL;
  counters.post++;
  if (completes) answer_document(c, "application/xml", completed, sizeof completed - 1);
  else answer_document(c, "application/xml", created, sizeof created - 1);
}

static void answer(struct connection *c) {
  if (!c->counted && strncmp(c->target, "/_null/", 7) != 0) {
    c->counted = 1;
    counters.connections++;
  }
  if (strcmp(c->method, "PUT") == 0) {
    counters.put++;
    format(c, "HTTP/1.1 200 OK\r\n" COMMON "x-amz-server-side-encryption: AES256\r\nETag: " ETAG "\r\nContent-Length: 0\r\n\r\n");
  } else if (strcmp(c->method, "GET") == 0) {
    answer_get(c);
  } else if (strcmp(c->method, "HEAD") == 0) {
    counters.head++;
    format(c, "HTTP/1.1 200 OK\r\n" COMMON OBJECT_HEADERS "Content-Length: %d\r\n\r\n", OBJECT_BYTES);
  } else if (strcmp(c->method, "DELETE") == 0) {
    counters.delete_++;
    format(c, "HTTP/1.1 204 No Content\r\n" COMMON "\r\n");
  } else {
    answer_post(c);
  }
}

/* --- requests --------------------------------------------------------------------------------- */

static void copy_text(char *to, size_t size, const char *from, size_t length) {
  if (length >= size) length = size - 1;
  memcpy(to, from, length);
  to[length] = '\0';
}

/* Reads a header line; `line` ends before its CRLF. */
static void take_header(struct connection *c, const char *line, size_t length) {
  if (length > 16 && strncasecmp(line, "content-length:", 15) == 0) c->body_left = strtoull(line + 15, NULL, 10);
  if (length > 7 && strncasecmp(line, "range: ", 7) == 0) copy_text(c->range, sizeof c->range, line + 7, length - 7);
  if (length > 8 && strncasecmp(line, "expect: ", 8) == 0) format(c, "HTTP/1.1 100 Continue\r\n\r\n");
}

static void take_head(struct connection *c, const char *head, const char *end) {
  const char *space = memchr(head, ' ', (size_t)(end - head));
  const char *target = space == NULL ? end : space + 1;
  const char *target_end = memchr(target, ' ', (size_t)(end - target));
  if (space == NULL || target_end == NULL) die("request line");
  copy_text(c->method, sizeof c->method, head, (size_t)(space - head));
  copy_text(c->target, sizeof c->target, target, (size_t)(target_end - target));
  c->body_left = 0;
  c->range[0] = '\0';
  for (const char *feed = memchr(head, '\n', (size_t)(end - head)); feed != NULL;) {
    const char *line = feed + 1;
    feed = memchr(line, '\n', (size_t)(end - line));
    take_header(c, line, (size_t)((feed == NULL ? end : feed) - line));
  }
}

/* Answers every request that is complete in the buffer; keeps the rest. */
static void take_bytes(struct connection *c) {
  size_t at = 0;
  for (;;) {
    if (c->method[0] != '\0') {
      size_t here = c->head_used - at;
      size_t taken = c->body_left < here ? (size_t)c->body_left : here;
      counters.body_bytes += taken;
      c->body_left -= taken;
      at += taken;
      if (c->body_left > 0) break;
      answer(c);
      c->method[0] = '\0';
    }
    char *end = memmem(c->head + at, c->head_used - at, "\r\n\r\n", 4);
    if (end == NULL) break;
    take_head(c, c->head + at, end);
    at = (size_t)(end - c->head) + 4;
  }
  memmove(c->head, c->head + at, c->head_used - at);
  c->head_used -= at;
}

/* A long body goes past the head buffer. */
static ssize_t drop_body(struct connection *c) {
  size_t wanted = c->body_left < SCRATCH ? (size_t)c->body_left : SCRATCH;
  ssize_t got = read(c->fd, scratch, wanted);
  if (got <= 0) return got;
  counters.body_bytes += (unsigned long long)got;
  c->body_left -= (unsigned long long)got;
  if (c->body_left == 0) take_bytes(c);
  return got;
}

/* --- connections ------------------------------------------------------------------------------ */

static void watch(struct connection *c, int operation, unsigned events) {
  struct epoll_event event = {.events = events, .data.ptr = c};
  if (epoll_ctl(poller, operation, c->fd, &event) < 0) die("epoll_ctl");
}

static void end_connection(struct connection *c) {
  close(c->fd);
  free(c->out);
  free(c);
}

/* Returns 0 when the connection is gone. */
static int send_answers(struct connection *c) {
  while (c->out_sent < c->out_used) {
    ssize_t sent = write(c->fd, c->out + c->out_sent, c->out_used - c->out_sent);
    if (sent < 0 && errno == EAGAIN) {
      watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
      return 1;
    }
    if (sent < 0) return 0;
    c->out_sent += (size_t)sent;
  }
  c->out_sent = c->out_used = 0;
  return 1;
}

static int receive(struct connection *c) {
  ssize_t got;
  if (c->method[0] != '\0' && c->body_left > HEAD_LIMIT) {
    got = drop_body(c);
  } else {
    got = read(c->fd, c->head + c->head_used, HEAD_LIMIT - c->head_used);
    if (got > 0) {
      c->head_used += (size_t)got;
      take_bytes(c);
      if (c->head_used == HEAD_LIMIT) return 0;
    }
  }
  if (got < 0) return errno == EAGAIN;
  return got > 0;
}

static void serve(struct connection *c, unsigned events) {
  int alive = 1;
  if (events & EPOLLOUT) watch(c, EPOLL_CTL_MOD, EPOLLIN);
  if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) alive = receive(c);
  if (alive) alive = send_answers(c);
  if (!alive) end_connection(c);
}

static void welcome(int listener) {
  int yes = 1;
  int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  struct connection *c = calloc(1, sizeof *c);
  if (c == NULL) die("calloc");
  c->fd = fd;
  watch(c, EPOLL_CTL_ADD, EPOLLIN);
}

static int listen_on(int port) {
  int yes = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
  socklen_t length = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0) die("bind");
  if (listen(listener, 1024) < 0) die("listen");
  if (getsockname(listener, (struct sockaddr *)&address, &length) < 0) die("getsockname");
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  return listener;
}

int main(int argc, char **argv) {
  struct epoll_event events[EVENTS];
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  signal(SIGPIPE, SIG_IGN);
  memset(object, 'x', sizeof object);
  poller = epoll_create1(EPOLL_CLOEXEC);
  int listener = listen_on(argc > 1 ? atoi(argv[1]) : 0);
  if (epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event) < 0) die("epoll_ctl");
  for (;;) {
    int count = epoll_wait(poller, events, EVENTS, -1);
    for (int i = 0; i < count; i++) {
      if (events[i].data.ptr == NULL) welcome(listener);
      else serve(events[i].data.ptr, events[i].events);
    }
  }
}
