/*
 * Peer: DPDK's librte_acl on a filter set and a header trace in ClassBench's formats.
 * Usage: acl FILTERS TRACE PASSES BURST. Prints one line: lookups per CPU second (median of the passes), build ms,
 * digest of the answers (that of src/api/benchMeter.ts: equal answers, equal digests).
 * Build: gcc -O3 -march=native acl.c $(pkg-config --cflags --libs libdpdk) -o acl
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <rte_acl.h>
#include <rte_eal.h>

struct header {
    uint8_t proto, pad[3];
    uint32_t src, dst;
    uint16_t sport, dport;
};

enum { PROTO, SRC, DST, SPORT, DPORT, FIELDS };
RTE_ACL_RULE_DEF(rule, FIELDS);

static struct rte_acl_field_def fields[FIELDS] = {
    {RTE_ACL_FIELD_TYPE_BITMASK, 1, PROTO, 0, offsetof(struct header, proto)},
    {RTE_ACL_FIELD_TYPE_MASK, 4, SRC, 1, offsetof(struct header, src)},
    {RTE_ACL_FIELD_TYPE_MASK, 4, DST, 2, offsetof(struct header, dst)},
    {RTE_ACL_FIELD_TYPE_RANGE, 2, SPORT, 3, offsetof(struct header, sport)},
    {RTE_ACL_FIELD_TYPE_RANGE, 2, DPORT, 3, offsetof(struct header, dport)},
};

static double cpu_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int read_rule(const char *line, int priority, uint32_t number, struct rule *r) {
    unsigned s[5], d[5], sp[2], dp[2], proto, mask;
    if (sscanf(line, "@%u.%u.%u.%u/%u %u.%u.%u.%u/%u %u : %u %u : %u %x/%x", &s[0], &s[1], &s[2], &s[3], &s[4], &d[0], &d[1],
               &d[2], &d[3], &d[4], &sp[0], &sp[1], &dp[0], &dp[1], &proto, &mask) != 16)
        return 0;
    memset(r, 0, sizeof *r);
    r->data.category_mask = 1;
    r->data.priority = priority;
    r->data.userdata = number + 1;
    r->field[PROTO].value.u8 = proto;
    r->field[PROTO].mask_range.u8 = mask;
    r->field[SRC].value.u32 = s[0] << 24 | s[1] << 16 | s[2] << 8 | s[3];
    r->field[SRC].mask_range.u32 = s[4];
    r->field[DST].value.u32 = d[0] << 24 | d[1] << 16 | d[2] << 8 | d[3];
    r->field[DST].mask_range.u32 = d[4];
    r->field[SPORT].value.u16 = sp[0], r->field[SPORT].mask_range.u16 = sp[1];
    r->field[DPORT].value.u16 = dp[0], r->field[DPORT].mask_range.u16 = dp[1];
    return 1;
}

int main(int argc, char **argv) {
    if (argc != 5) return fprintf(stderr, "usage: acl FILTERS TRACE PASSES BURST\n"), 2;
    int passes = atoi(argv[3]), burst = atoi(argv[4]);
    char *eal[] = {"acl", "--no-huge", "-m", "2048", "--no-pci", "--no-shconf", "--log-level=1", "-l", "0"};
    /* The core is the caller's choice (taskset): EAL would pin to core 0. */
    cpu_set_t cores;
    sched_getaffinity(0, sizeof cores, &cores);
    char core[8];
    for (int i = 0; i < CPU_SETSIZE; i++) if (CPU_ISSET(i, &cores)) { snprintf(core, sizeof core, "%d", i); break; }
    eal[8] = core;
    if (rte_eal_init(9, eal) < 0) return fprintf(stderr, "EAL does not start\n"), 1;

    char line[512];
    uint32_t count = 0, headers = 0, room = 1 << 16;
    FILE *f = fopen(argv[1], "r");
    if (!f) return perror(argv[1]), 1;
    while (fgets(line, sizeof line, f)) count += line[0] == '@';
    rewind(f);
    struct rte_acl_param param = {.name = "acl", .socket_id = SOCKET_ID_ANY, .rule_size = RTE_ACL_RULE_SZ(FIELDS), .max_rule_num = count};
    struct rte_acl_ctx *ctx = rte_acl_create(&param);
    double before = cpu_seconds();
    for (uint32_t i = 0; fgets(line, sizeof line, f);) {
        struct rule r;
        if (line[0] != '@') continue;
        if (!read_rule(line, RTE_ACL_MAX_PRIORITY - i, i, &r)) return fprintf(stderr, "filter %u not understood\n", i), 1;
        if (rte_acl_add_rules(ctx, (struct rte_acl_rule *)&r, 1)) return fprintf(stderr, "filter %u refused\n", i), 1;
        i++;
    }
    fclose(f);
    struct rte_acl_config config = {.num_categories = 1, .num_fields = FIELDS};
    memcpy(config.defs, fields, sizeof fields);
    if (rte_acl_build(ctx, &config)) return fprintf(stderr, "does not build\n"), 1;
    double build = cpu_seconds() - before;

    struct header *h = malloc(room * sizeof *h);
    f = fopen(argv[2], "r");
    if (!f) return perror(argv[2]), 1;
    while (fgets(line, sizeof line, f)) {
        unsigned src, dst, sport, dport, proto;
        if (sscanf(line, "%u %u %u %u %u", &src, &dst, &sport, &dport, &proto) != 5) continue;
        if (headers == room) h = realloc(h, (room *= 2) * sizeof *h);
        h[headers++] = (struct header){proto, {0}, htonl(src), htonl(dst), htons(sport), htons(dport)};
    }
    fclose(f);
    const uint8_t **data = malloc(headers * sizeof *data);
    uint32_t *answers = calloc(headers, sizeof *answers);
    for (uint32_t i = 0; i < headers; i++) data[i] = (const uint8_t *)&h[i];
    double *speed = malloc((passes + 1) * sizeof *speed);
    for (int pass = 0; pass <= passes; pass++) {
        double start = cpu_seconds();
        for (uint32_t i = 0; i < headers; i += burst)
            rte_acl_classify(ctx, data + i, answers + i, headers - i < (uint32_t)burst ? headers - i : (uint32_t)burst, 1);
        speed[pass] = headers / (cpu_seconds() - start);
    }
    qsort(speed + 1, passes, sizeof *speed, by_value);
    uint32_t a = 0x811c9dc5, b = 0x01000193;
    for (uint32_t i = 0; i < headers; i++) {
        uint32_t word = answers[i] - 1;
        a = (a ^ word) * 0x01000193;
        b = (b ^ word >> 16 ^ word << 16) * 0x85ebca6b ^ b >> 13;
    }
    printf("%.0f %.3f %08x%08x\n", speed[1 + passes / 2], build * 1e3, a, b);
    return 0;
}
