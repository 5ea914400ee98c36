/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every semihosting call, in user mode and on a machine without an operating system.  What does not depend
 * on where it runs is printed, a line for each call; the driver compares it with what QEMU's prints.
 */
typedef unsigned long Word;

enum {
    OPEN = 1, CLOSE, WRITEC, WRITE0, WRITE, READ, READC, ISERROR, ISTTY, SEEK, FLEN = 0xc, TMPNAM, REMOVE,
    RENAME, CLOCK, TIME, SYSTEM, ERRNO, CMDLINE = 0x15, HEAPINFO, EXIT = 0x18, SYNC, EXTENDED = 0x20,
    ELAPSED = 0x30, TICKFREQ,
};

static char buffer[10000];

static Word call(Word number, const volatile void *argument)
{
    register Word a0 __asm__("a0") = number;
    register const volatile void *a1 __asm__("a1") = argument;

    __asm__ volatile(".option push\n"
                     ".option norvc\n"
                     ".balign 16\n"
                     "slli x0, x0, 0x1f\n"
                     "ebreak\n"
                     "srai x0, x0, 7\n"
                     ".option pop"
                     : "+r"(a0) : "r"(a1) : "memory");
    return a0;
}

static Word call1(Word number, Word a)
{
    Word block[] = { a };

    return call(number, block);
}

static Word call2(Word number, Word a, Word b)
{
    Word block[] = { a, b };

    return call(number, block);
}

static Word call3(Word number, Word a, Word b, Word c)
{
    Word block[] = { a, b, c };

    return call(number, block);
}

static Word length(const char *text)
{
    Word n = 0;

    while (text[n]) {
        n++;
    }
    return n;
}

static void print(const char *text)
{
    call(WRITE0, text);
}

static void show(const char *what, Word value)
{
    char line[24], *at = line + sizeof(line);

    print(what);
    *--at = '\0';
    *--at = '\n';
    if ((long)value < 0) {
        value = -value;
        print(" -");
    } else {
        print(" ");
    }
    do {
        *--at = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    print(at);
}

static void show_error(const char *what, Word value)
{
    show(what, value);
    show("  errno", call(ERRNO, 0));
}

static Word open(const char *path, Word mode)
{
    return call3(OPEN, (Word)path, mode, length(path));
}

static void files(void)
{
    Word fd = open("calls.txt", 6), other; /* w+ */

    show("opened", (long)fd > 0);
    show("write", call3(WRITE, fd, (Word)buffer, sizeof(buffer)));
    show("length", call1(FLEN, fd));
    show("seek", call2(SEEK, fd, 9000));
    show("read", call3(READ, fd, (Word)buffer, 900));
    show("read to the end", call3(READ, fd, (Word)buffer, 900));
    show("read behind it", call3(READ, fd, (Word)buffer, 900));
    show("tty", call1(ISTTY, fd));
    show("close", call1(CLOSE, fd));
    show_error("close again", call1(CLOSE, fd));
    show_error("write to a closed one", call3(WRITE, fd, (Word)buffer, 5));
    other = open("calls.txt", 8); /* a */
    show("append", call3(WRITE, other, (Word)"abc", 3));
    show("length", call1(FLEN, other));
    show("close", call1(CLOSE, other));
    show_error("no such file", open("calls.none", 0));
    show_error("no such mode", open("calls.txt", 12));
    {
        Word block[] = { (Word)"calls.txt", 9, (Word)"calls.new", 9 };
        show("rename", call(RENAME, block));
    }
    show("remove", call2(REMOVE, (Word)"calls.new", 9));
    show_error("remove again", call2(REMOVE, (Word)"calls.new", 9));
}

static void special_files(void)
{
    Word fd = open(":semihosting-features", 0), out = open(":tt", 4);
    char features[8] = { 0 };

    show("features, left", call3(READ, fd, (Word)features, 8));
    print(features[4] == 3 ? features : "none?");
    show("\nlength", call1(FLEN, fd));
    show("close", call1(CLOSE, fd));
    show("to be written", open(":semihosting-features", 4));
    show("standard output", call3(WRITE, out, (Word)"to standard output\n", 19));
    show("close", call1(CLOSE, out));
}

static void surroundings(void)
{
    Word block[] = { (Word)buffer, sizeof(buffer) }, ticks[1] = { 0 }, later[1] = { 0 };

    show("command line", call(CMDLINE, block));
    print(buffer);
    show("\nof length", block[1]);
    show_error("without room", call2(CMDLINE, (Word)buffer, 3));
    show("time", call(TIME, 0) > 1700000000);
    show("ticks in a second", call(TICKFREQ, 0));
    show("ticks", call(ELAPSED, ticks));
    show("clock", (long)call(CLOCK, 0) >= 0);
    call(ELAPSED, later);
    show("go on", later[0] > ticks[0]);
    show("error", call1(ISERROR, -(Word)1));
    show("no error", call1(ISERROR, 7));
    show("name", call3(TMPNAM, (Word)buffer, 5, sizeof(buffer)));
    show("is one", length(buffer) > 4 && buffer[0] == '/');
    show("caches", call2(SYNC, 0, 1 << 20));
    show("command", call2(SYSTEM, (Word)"exit 3", 6) >> 8);
}

static void memory(void)
{
    Word info[4] = { 0 };
    volatile char *heap;

    show("memory", call1(HEAPINFO, (Word)info));
    show("a heap", info[0] < info[1]);
    show("a stack", info[2] != 0);
    heap = (volatile char *)info[0];
    heap[0] = heap[4096] = 1;
    show("used", (Word)heap[4096]);
}

static void broken(void)
{
    show_error("a block that is not there", call(FLEN, (void *)8));
    show_error("bytes that are not there", call3(OPEN, (Word)buffer + (1UL << 50), 0, 4));
}

static void read_console(void)
{
    char c[2] = { 0, 0 };

    do {
        c[0] = (char)call(READC, 0);
        print("got ");
        print(c);
        print("\n");
    } while (c[0] != 'X');
}

static int is_near(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return !*a;
}

/* The first word says what to do: "read", or "exit", or everything else. */
int main(void)
{
    Word block[] = { (Word)buffer, sizeof(buffer) }, end[] = { 0x20026, 42 };
    const char *argument = buffer;

    call(CMDLINE, block);
    while (*argument && *argument != ' ') {
        argument++;
    }
    if (is_near(" read", argument)) {
        read_console();
    } else if (is_near(" exit", argument)) {
        end[0] = 1; /* not by the application */
        call(EXIT, end);
    } else if (is_near(" breakpoint", argument)) {
        __asm__ volatile(".option push\n.option norvc\nebreak\nsrai x0, x0, 7\n.option pop");
    } else {
        surroundings();
        files();
        special_files();
        memory();
        broken();
        call(WRITEC, "!");
        call(WRITEC, "\n");
    }
    call(EXTENDED, end);
    return 1;
}
