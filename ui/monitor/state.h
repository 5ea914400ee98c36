/* SPDX-License-Identifier: Apache-2.0 */
/* ui/monitor/state.h - what the files of the monitor share; nobody else includes it. */
#ifndef KETCH_UI_MONITOR_STATE_H
#define KETCH_UI_MONITOR_STATE_H

#include <json-glib/json-glib.h>
#include <pthread.h>
#include <stdio.h>

#include "devices/host/block/image.h"
#include "ui/monitor/monitor.h"

/* Clients ask which QEMU's protocol it is, and take what is older than they know for unusable. */
enum { QMP_MAJOR = 10, QMP_MINOR = 0, QMP_MICRO = 0 };

enum { MONITOR_LINE = 1 << 20 }; /* bytes of one command */

/* What is left of a job. */
typedef struct MonitorJob {
    char *id, *error; /* error: a sentence; NULL: it was done */
    const char *type;
} MonitorJob;

struct Monitor {
    MonitorVm vm;
    pthread_mutex_t command; /* one at a time; taken before `lock` */
    GPtrArray *jobs;         /* of MonitorJob, owned; with `command` */
    pthread_mutex_t control; /* see control.c; recursive; taken after `command`, before `lock` */
    pthread_mutex_t lock;    /* what follows */
    MonitorSession *sessions;
    const char *status; /* RunState of QEMU's QMP reference */
};

struct MonitorSession {
    Monitor *monitor;
    MonitorSession *next;
    MonitorKind kind;
    MonitorSend *send;
    void *opaque;
    GString *in;        /* a command that is not complete */
    unsigned depth;     /* QMP: open braces and brackets of it */
    bool in_string, escaped;
    bool too_deep;      /* more of them than are allowed */
    bool negotiated;    /* QMP */
    bool over;
    unsigned hart;      /* HMP */
};

/* ---- control.c ---- */

const char *monitor_status(Monitor *m);
/* False and error: it is switched off. */
MUST_USE bool monitor_can_go_on(Monitor *m, GError **error);
void monitor_request(Monitor *m, MachineEventKind kind);
void monitor_powerdown(Monitor *m);

/* Around looking at harts: they and the time stand still in between. */
typedef struct MonitorHold {
    Monitor *monitor;
    bool was_running, clock_was_running;
} MonitorHold;

MonitorHold monitor_hold(Monitor *m);
void monitor_release(MonitorHold hold);

/* ---- qmp.c, query.c, schema.c ---- */

#define MONITOR_ERROR g_quark_from_static_string("ketch-monitor")

/* Codes of MONITOR_ERROR: the classes of errors in QEMU's QMP reference, "Errors". */
typedef enum MonitorErrorClass {
    MONITOR_GenericError,
    MONITOR_CommandNotFound,
    MONITOR_DeviceNotActive,
    MONITOR_DeviceNotFound,
} MonitorErrorClass;

/* A command: NULL and no error means an empty reply.  `args` has what the row says. */
typedef JsonNode *QmpFn(MonitorSession *s, JsonObject *args, GError **error);

typedef struct QmpCommand {
    const char *name;
    QmpFn *fn;
    const char *args, *result, *help;
} QmpCommand;

extern const QmpCommand qmp_commands[]; /* name NULL ends it */

#define QMP(name, fn, args, result, help) QmpFn fn;
#include "ui/monitor/qmp.def"

void qmp_greet(MonitorSession *s);
void qmp_execute(MonitorSession *s, const char *text);
/* Answers a request that is not looked at. */
void qmp_refuse(MonitorSession *s, const char *why);
void qmp_event(MonitorSession *s, const char *name, const char *data);

/* One member of a list like those of the tables. */
typedef struct SchemaMember {
    char name[40];
    char type[40]; /* without brackets */
    bool optional, array;
} SchemaMember;

/* Takes one from *text; false at its end. */
bool schema_member(const char **text, SchemaMember *out);
/* Those of a row of types.def; NULL: there is no such row. */
const char *schema_members(const char *type);

/* The sentence for a command of QEMU that there is not; NULL: it is no command of QEMU. */
const char *monitor_refusal(const char *name);

/* ---- jobs.c, block.c ---- */

void monitor_job_free(void *job);

/* By its id or node-name.  NULL and error. */
const MonitorDrive *monitor_drive(const Monitor *m, const char *name, GError **error);

/* Adds the members that a snapshot in an image has ("SnapshotInfo" in QEMU's QMP reference). */
void monitor_build_snapshot(JsonBuilder *b, const ImageSnapshot *s);

/* ---- hmp.c, info.c, inspect.c ---- */

typedef struct Hmp {
    MonitorSession *session;
    Monitor *monitor;
    GString *out;
    const char *format; /* behind the slash */
    char **argv;        /* after the command's name; NULL ends it */
} Hmp;

typedef void HmpFn(Hmp *h);

#define HMP(names, fn, args, help) HmpFn fn;
#include "ui/monitor/hmp.def"
#define INFO(name, fn, help) HmpFn fn;
#include "ui/monitor/info.def"

void hmp_prompt(MonitorSession *s);
void hmp_execute(MonitorSession *s, const char *line, GString *out);

/* The same for whoever has no session; with Monitor.command. */
void hmp_human(Monitor *m, unsigned hart, const char *line, GString *out);

/* ---- devices.c ---- */

/* Of the machine; all zeros when it has none. */
const char *monitor_uuid(const Monitor *m);

/* What a ringbuf holds, at most `size` bytes; to be freed, *n says how many.  NULL and error: there is no
 * such chardev. */
uint8_t *monitor_ringbuf_read(Monitor *m, const char *name, size_t size, size_t *n, GError **error);

/* By its own name or that of the device that it is plugged into.  False and error: there is none. */
MUST_USE bool monitor_set_link(Monitor *m, const char *name, bool up, GError **error);

/* Bytes that the guest shall do with, and does with now.  False and error: there is no balloon. */
MUST_USE bool monitor_balloon_set(Monitor *m, uint64_t bytes, GError **error);
MUST_USE bool monitor_balloon_get(Monitor *m, uint64_t *bytes, GError **error);

/* The value of an expression: numbers, $registers of the hart, ( ) * / % + - << >> & ^ | ~.
 * False: *why is a sentence. */
MUST_USE bool monitor_evaluate(Monitor *m, unsigned hart, const char *text, uint64_t *value,
                               const char **why);

/* A file for what is in the guest's memory, which is for no other user; it replaces one of that name.  NULL
 * and errno. */
FILE *monitor_memory_file(const char *path);

/* Writes memory to a file; `hart` < 0: physical. */
MUST_USE bool monitor_save(Monitor *m, int hart, uint64_t addr, uint64_t size, const char *path,
                           GError **error);

#endif
