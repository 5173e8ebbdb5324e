/* SPDX-License-Identifier: MIT */
/*
 * hakctl top: the screen and the keys. Looks once an interval; keys are obeyed at once. What a command
 * answers, or why it was refused, stands in the last line.
 */
#include <curses.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "document.h"
#include "purge.h"
#include "table.h"
#include "top.h"

enum { HEAD_LINES = 4, FOOT_LINES = 2, TARGET_CHARS = 32, WIDE_COLUMNS = 100 };
enum { PAIR_GOOD = 1, PAIR_WARN, PAIR_BAD };

struct screen {
	struct hak_ctl *ctl;
	struct hak_top top;
	char message[256];
	uint64_t job; /* a purge whose end is waited for; 0: none */
	bool help;
	int first; /* row at the top of the list */
};

static double monotonic_seconds(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail */
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- drawing ----------------------------------------------------------------------------------------- */

/* @text from @column on, cut at the edge. */
static void put(int line, int column, const char *text)
{
	int room = COLS - column;

	if (room > 0)
		mvaddnstr(line, column, text, (int)hak_text_fit(text, (size_t)room));
}

static void putf(int line, int column, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void putf(int line, int column, const char *format, ...)
{
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	put(line, column, text);
}

static void draw_head(const struct screen *screen)
{
	const cJSON *daemon = cJSON_GetObjectItemCaseSensitive(screen->top.document, "daemon");
	bool panicked = hak_document_is(daemon, "panicked");
	double resident = 0, live = 0, lazy = 0, rate = 0;
	char text[4][HAK_TABLE_NUMBER_CHARS];

	for (size_t i = 0; i < screen->top.rows.count; i++) {
		resident += screen->top.rows.row[i].resident_bytes;
		live += screen->top.rows.row[i].live_bytes;
		lazy += screen->top.rows.row[i].lazy_bytes;
		rate += screen->top.rate[i] > 0 ? screen->top.rate[i] : 0;
	}
	hak_table_bytes(resident, text[0]);
	hak_table_bytes(live, text[1]);
	hak_table_bytes(lazy, text[2]);
	hak_table_bytes(rate, text[3]);
	attron(A_BOLD | (panicked ? COLOR_PAIR(PAIR_BAD) : 0));
	putf(0, 0, "hakmem  mode %s (%s)%s  serial %.0f", hak_document_text(daemon, "mode"),
	     hak_document_text(daemon, "mode_source"), panicked ? "  KILL SWITCH ON" : "",
	     hak_document_number(daemon, "serial"));
	attroff(A_BOLD | COLOR_PAIR(PAIR_BAD));
	putf(1, 0, "%zu processes  resident %s  live %s  lazily free %s  allocating %s/s",
	     screen->top.rows.count, text[0], text[1], text[2], text[3]);
}

/* A command's name has 15 letters at most; on 80 columns the unit needs some of theirs. */
static int command_columns(void)
{
	return COLS < WIDE_COLUMNS ? 12 : 15;
}

static void draw_heading(const struct screen *screen)
{
	static const char *const names[HAK_TOP_ORDER_COUNT] = {"RESIDENT", "LAZY", "ALLOC/S"};
	static const int ends[HAK_TOP_ORDER_COUNT] = {17, 33, 42};

	attron(A_REVERSE);
	mvhline(HEAD_LINES - 1, 0, ' ', COLS);
	putf(HEAD_LINES - 1, 0, "%7s %9s %7s %7s %8s  %-9s %-*s %s", "PID", names[0], "LIVE", names[1],
	     names[2], "MODE", command_columns(), "COMMAND", "UNIT");
	attron(A_BOLD | A_UNDERLINE);
	put(HEAD_LINES - 1, ends[screen->top.order] - (int)strlen(names[screen->top.order]),
	    names[screen->top.order]);
	attroff(A_REVERSE | A_BOLD | A_UNDERLINE);
}

static void draw_row(const struct screen *screen, int line, size_t index)
{
	const struct hak_row *row = &screen->top.rows.row[index];
	char resident[HAK_TABLE_NUMBER_CHARS], live[HAK_TABLE_NUMBER_CHARS], lazy[HAK_TABLE_NUMBER_CHARS];
	char rate[HAK_TABLE_NUMBER_CHARS] = "-", pid[24] = "-";
	char mark = row->pinned ? '*' : row->up_to_date ? ' ' : '~';

	hak_table_bytes(row->resident_bytes, resident);
	hak_table_bytes(row->live_bytes, live);
	hak_table_bytes(row->lazy_bytes, lazy);
	if (screen->top.rate[index] >= 0)
		hak_table_bytes(screen->top.rate[index], rate);
	if (row->pid)
		snprintf(pid, sizeof(pid), "%" PRIu64, row->pid);
	putf(line, 0, "%7s %9s %7s %7s %8s  %-8s%c %-*.*s %s", pid, row->pid ? resident : "-",
	     row->known ? live : "-", row->known ? lazy : "-", rate, row->mode, mark, command_columns(),
	     command_columns(), row->comm, row->unit);
}

static void draw_rows(struct screen *screen)
{
	int lines = LINES - HEAD_LINES - FOOT_LINES, selected = (int)hak_top_selected(&screen->top);

	if (selected < screen->first)
		screen->first = selected;
	if (lines > 0 && selected >= screen->first + lines)
		screen->first = selected - lines + 1;
	for (int i = 0; i < lines && (size_t)(screen->first + i) < screen->top.rows.count; i++) {
		bool here = screen->first + i == selected;

		if (here)
			attron(A_REVERSE);
		mvhline(HEAD_LINES + i, 0, ' ', COLS);
		draw_row(screen, HEAD_LINES + i, (size_t)(screen->first + i));
		attroff(A_REVERSE);
	}
	if (screen->top.rows.count == 0)
		put(HEAD_LINES + 1, 2,
		    "no process runs under hakmem; 'hakctl run COMMAND' or 'hakctl enable UNIT'");
}

static void draw_help(void)
{
	static const char *const lines[] = {
		"up, down, page up, page down",
		"           choose a process",
		"r, l, a    order by resident, lazily free, allocation rate",
		"p, P       purge the chosen process, or all",
		"1 2 3 4 5  set the mode: minimal, fast, balanced, learning, research",
		"0          take the mode back: rules and configuration decide",
		"space      look now",
		"q          end",
		"",
		"RESIDENT   what the kernel counts",
		"LIVE       what the program holds",
		"LAZY       freed, and the kernel's as soon as it wants it",
		"ALLOC/S    bytes allocated in a second",
		"MODE *     fixed by the process's environment",
		"MODE ~     has not looked since the mode was set: sleeps, or is stopped",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines) && HEAD_LINES + (int)i < LINES - FOOT_LINES;
	     i++)
		put(HEAD_LINES + (int)i, 2, lines[i]);
}

static void draw(struct screen *screen)
{
	erase();
	draw_head(screen);
	draw_heading(screen);
	if (screen->help)
		draw_help();
	else
		draw_rows(screen);
	put(LINES - 2, 0, screen->message);
	attron(A_DIM);
	put(LINES - 1, 0, "q end  h help  r l a order  p purge  P purge all  1-5 mode  0 default");
	attroff(A_DIM);
	refresh();
}

/* ---- doing ------------------------------------------------------------------------------------------- */

static int look(struct screen *screen)
{
	struct hak_ctl *ctl = screen->ctl;
	cJSON *document;
	int code = hak_document_get(ctl, "DumpStats", NULL, true, &document);

	if (code == 0 && hak_top_update(&screen->top, document, monotonic_seconds()) < 0)
		code = hak_ctl_fail(HAK_EXIT_FAILED, "out of memory");
	return code;
}

static void look_at_job(struct screen *screen)
{
	struct hak_purge_outcome outcome;
	char given[HAK_TABLE_NUMBER_CHARS];
	double bytes;

	if (!screen->job)
		return;
	if (hak_purge_look(screen->ctl, screen->job, &outcome)) {
		screen->job = 0; /* the message says why */
		return;
	}
	if (outcome.runs)
		return;
	screen->job = 0;
	bytes = outcome.before_bytes > outcome.after_bytes
			? (double)(outcome.before_bytes - outcome.after_bytes)
			: 0;
	hak_table_bytes(bytes, given);
	snprintf(screen->message, sizeof(screen->message),
		 "purged %" PRIu32 ", asleep %" PRIu32 ", stopped %" PRIu32 ": resident memory fell by %s",
		 outcome.obeyed, outcome.asleep, outcome.stopped, given);
}

static void purge(struct screen *screen, bool all)
{
	char target[TARGET_CHARS] = "*";

	if (!all && !screen->top.rows.count)
		return;
	if (!all && !screen->top.rows.row[hak_top_selected(&screen->top)].pid) {
		snprintf(screen->message, sizeof(screen->message), "that is another user's process");
		return;
	}
	if (!all)
		snprintf(target, sizeof(target), "pid:%" PRIu64,
			 screen->top.rows.row[hak_top_selected(&screen->top)].pid);
	if (hak_purge_begin(screen->ctl, target, &screen->job) == 0)
		snprintf(screen->message, sizeof(screen->message), "purging %s…", all ? "all" : target + 4);
}

static void set_mode(struct screen *screen, int digit)
{
	const char *mode = digit ? hak_mode_name((enum hak_mode)(digit - 1)) : "default";
	uint64_t serial;

	if (hak_ctl_set_mode(screen->ctl, mode, NULL, &serial) == 0)
		snprintf(screen->message, sizeof(screen->message), "mode %s, serial %" PRIu64, mode, serial);
}

static void move_selection(struct screen *screen, long by)
{
	long to = (long)hak_top_selected(&screen->top) + by, count = (long)screen->top.rows.count;

	to = to < 0 ? 0 : to >= count ? count - 1 : to;
	if (count)
		screen->top.selected = screen->top.rows.row[to].pid;
}

/* Return: false: end. */
static bool obey(struct screen *screen, int key)
{
	long page = LINES > HEAD_LINES + FOOT_LINES ? LINES - HEAD_LINES - FOOT_LINES : 1;

	if (key != KEY_RESIZE)
		*screen->message = '\0'; /* of the last key, which it would outlive */
	screen->help = key == 'h' || key == '?' ? !screen->help : screen->help && key == KEY_RESIZE;
	switch (key) {
	case 'q':
		return false;
	case KEY_UP:
	case 'k':
		move_selection(screen, -1);
		break;
	case KEY_DOWN:
	case 'j':
		move_selection(screen, 1);
		break;
	case KEY_PPAGE:
		move_selection(screen, -page);
		break;
	case KEY_NPAGE:
		move_selection(screen, page);
		break;
	case 'r':
	case 'l':
	case 'a':
		screen->top.order = key == 'r' ? HAK_TOP_RESIDENT : key == 'l' ? HAK_TOP_LAZY : HAK_TOP_RATE;
		hak_top_sort(&screen->top);
		break;
	case 'p':
	case 'P':
		purge(screen, key == 'P');
		break;
	default:
		if (key >= '0' && key <= '5')
			set_mode(screen, key - '0');
	}
	return true;
}

/* Keys until the next look is due. Return: false: end. */
static bool serve_keys(struct screen *screen)
{
	double due = monotonic_seconds() + (double)screen->ctl->interval_usec / 1e6;

	for (;;) {
		double left = due - monotonic_seconds();
		int key;

		draw(screen);
		if (left <= 0)
			return true;
		timeout((int)(left * 1000) + 1);
		key = getch();
		if (key == ' ' || key == ERR)
			return true;
		if (!obey(screen, key))
			return false;
	}
}

static void open_screen(void)
{
	initscr();
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	curs_set(0);
	set_escdelay(25);
	if (!hak_terminal()->colour || !has_colors())
		return;
	start_color();
	use_default_colors();
	init_pair(PAIR_GOOD, COLOR_GREEN, -1);
	init_pair(PAIR_WARN, COLOR_YELLOW, -1);
	init_pair(PAIR_BAD, COLOR_RED, -1);
}

int hak_verb_top(struct hak_ctl *ctl)
{
	struct screen screen = {.ctl = ctl};
	const char *kind = getenv("TERM");
	int code;

	if (!hak_terminal()->is_one || !isatty(STDIN_FILENO) || !kind || !*kind)
		return hak_ctl_fail(HAK_EXIT_USAGE, "top needs a terminal; 'hakctl stats' prints once");
	ctl->no_pager = true;
	ctl->brief = true;
	ctl->no_agent = true;
	code = look(&screen); /* what is wrong from the start is told as ever */
	if (code)
		return code;
	open_screen();
	hak_ctl_catch(screen.message, sizeof(screen.message));
	while (serve_keys(&screen)) {
		bool failed = code != 0;

		code = look(&screen); /* hakmemd may come back: the message says what is wrong until then */
		if (failed && code == 0)
			screen.message[0] = '\0';
		look_at_job(&screen);
	}
	endwin();
	hak_ctl_catch(NULL, 0);
	hak_top_deinit(&screen.top);
	return HAK_EXIT_OK;
}
