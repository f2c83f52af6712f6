/*
 * commit.pml: commit, publication, rotation, crash and recovery of the log, for the model checker spin. tests/model/check.sh
 * looks at every state of it, and of its broken variants, which it must refute.
 *
 * What is modelled (docs/format.md, sections 8 to 10). The log is SEGMENTS segments of SLOTS frames. A frame is a write, told
 * from every other by its number; its header is its place, its epoch, its link to the frame before and its frontier (the
 * durable position known when it was written): two writes of one content with the same four are the same bytes, which is the worst
 * that a caller can do. Memory (the page cache) and medium are apart: a sync copies a segment; a power cut keeps of each frame
 * that differs the one or the other; the death of the process loses nothing. A manifest write is atomic (two slots in turn,
 * synced, make it so). `live` survives the process, not the power.
 *
 * An appender, a syncer and a reader run side by side; a crash comes between any two steps, those of the recovery too, at most
 * CRASHES times. Recovery does the steps of section 9 in their order.
 *
 * What must hold:
 *   kept     what was answered as durable is the same write in its place, for ever
 *   alive    what was answered as buffered is there after the death of the process
 *   prefix   what is published, and so shown to readers, is written, and stays (but for a power cut)
 *   fresh    recovery never accepts a write that an earlier recovery has cut away
 *   opens    recovery calls nothing damaged that only crashes befell
 *
 * Variants (-D): EARLY_ANSWER (before the sync), LAST_SEGMENT_ONLY (a sync forgets the segments before), EARLY_PUBLISH (before the
 * frame is written), NO_TAIL_SYNC (a tail is claimed that nobody synced), NO_ZEROS_SYNC (a cut is not synced), NO_ZEROS (what is
 * cut stays), NO_EPOCH (epochs stand still). Of the last two each guards where the other fails: one without the other is safe
 * here, none of them is not.
 */
#ifndef SEGMENTS
#define SEGMENTS 2
#endif
#ifndef SLOTS
#define SLOTS 2
#endif
#ifndef CRASHES
#define CRASHES 2
#endif
#ifndef WRITES
#define WRITES 6
#endif
#define N (SEGMENTS * SLOTS)
#define LISTED(at) ((at) / SLOTS < list)

/* What a write is. 0 is none. */
byte epoch_of[WRITES + 1];
byte link_of[WRITES + 1];     /* header of the frame before */
byte frontier_of[WRITES + 1];
byte place_of[WRITES + 1];
byte header_of[WRITES + 1];   /* the first write with the same bytes */
bool cut_away[WRITES + 1];
byte writes = 0;

byte memory[N];
byte medium[N];

/* The manifest: on the medium, whole. */
byte claimed = 0; /* its durable position */
byte epoch = 1;
byte list = 1;    /* segments it names */

/* The page `live`. */
bool live_there = true;
byte published = 0;
byte durable = 0;

byte end = 0;        /* the writer's */
bool up = true;      /* a writer is open */
byte crashes = 0;

/* What was said to whom. */
byte said_durable[N];
byte said_buffered[N];

byte i;    /* counters of atomic steps; 0 between them */
byte last;

/* ---- the writer: what appends, and what syncs ---- */

inline write(at)
{
    writes++;
    epoch_of[writes] = epoch;
    place_of[writes] = at;
    frontier_of[writes] = durable;
    link_of[writes] = (at == 0 -> 0 : header_of[memory[at - 1]]);
    header_of[writes] = writes;
    i = 1;
    do
    :: i < writes ->
        if
        :: place_of[i] == at && epoch_of[i] == epoch && link_of[i] == link_of[writes] && frontier_of[i] == durable ->
            header_of[writes] = header_of[i];
            break
        :: else -> i++
        fi
    :: else -> break
    od;
    i = 0;
    memory[at] = writes
}

/* At the earliest, for what is said later must hold of less. */
inline answer(at)
{
    said_buffered[at] = memory[at]
#ifdef EARLY_ANSWER
    ;
    said_durable[at] = memory[at]
#endif
}

/* The process that began still lives. */
#define ALIVE (up && mine == crashes)

active proctype appender()
{
    byte mine;
again:
    atomic { up -> mine = crashes };
    {
        do
        :: atomic { ALIVE && end < N && writes < WRITES && LISTED(end) } ->
#ifdef EARLY_PUBLISH
            atomic { ALIVE -> published = end + 1 };
            atomic { ALIVE -> write(end); end++; answer(end - 1) };
#else
            atomic { ALIVE -> write(end); end++ };
            atomic { ALIVE -> published = end; answer(end - 1) };
#endif
        :: atomic { ALIVE && end < N && !LISTED(end) -> list++ } /* the segment and its name were synced before */
        od
    } unless { mine != crashes };
    goto again
}

/* A group: what is written when it begins is durable when its syncs have come back; then everybody is answered. */
active proctype syncer()
{
    byte mine;
    byte target;
    byte segment;
again:
    atomic { up -> mine = crashes };
    {
        do
        :: atomic {
               ALIVE && durable < published ->
               target = published;
#ifdef LAST_SEGMENT_ONLY
               segment = (target - 1) / SLOTS
#else
               segment = durable / SLOTS
#endif
           };
           do
           :: atomic {
                  ALIVE && segment * SLOTS < target ->
                  i = segment * SLOTS;
                  do
                  :: i < (segment + 1) * SLOTS -> medium[i] = memory[i]; i++
                  :: else -> break
                  od;
                  i = 0;
                  segment++
              }
           :: atomic {
                  ALIVE && segment * SLOTS >= target ->
                  durable = target;
                  target = 0;
                  segment = 0;
                  i = 0;
                  do
                  :: i < durable -> said_durable[i] = memory[i]; i++
                  :: else -> break
                  od;
                  i = 0
              } -> break
           od
        od
    } unless { mine != crashes };
    atomic { target = 0; segment = 0 };
    goto again
}

/* ---- another process, that reads ---- */

/* It may look at any time, and read at once or later: that what it was shown stays is seen where recovery judges. */
active proctype reader()
{
    do
    :: atomic {
           live_there ->
           i = 0;
           do
           :: i < published -> assert(memory[i] != 0); i++ /* prefix: what is published is written */
           :: else -> break
           od;
           i = 0
       }
    od
}

/* ---- crashes ---- */

inline power_cut()
{
    i = 0;
    do
    :: i < N ->
        if
        :: memory[i] != medium[i] -> medium[i] = memory[i]
        :: memory[i] = medium[i]
        fi;
        i++
    :: else -> break
    od;
    i = 0;
    live_there = false;
    published = 0;
    durable = 0
}

inline crash()
{
    crashes++;
    up = false;
    end = 0;
    if
    :: true /* the process alone */
    :: power_cut()
    fi
}

/* ---- recovery: docs/format.md, section 9 ---- */

byte cut;   /* p */
byte vouched; /* V */

inline vouch(position)
{
    if
    :: position > vouched -> vouched = position
    :: else
    fi
}

inline scan()
{
    cut = 0;
    last = 0;
    vouched = claimed;
    do
    :: cut < N && LISTED(cut) && memory[cut] != 0 && link_of[memory[cut]] == header_of[last] &&
           epoch_of[memory[cut]] >= epoch_of[last] ->
        last = memory[cut];
        vouch(frontier_of[last]);
        cut++
    :: else -> break
    od;
    last = 0;
    i = cut;
    do
    :: i < N ->
        if
        :: LISTED(i) && memory[i] != 0 -> vouch(frontier_of[memory[i]])
        :: else
        fi;
        i++
    :: else -> break
    od;
    i = 0;
    if
    :: live_there -> vouch(published); vouch(durable)
    :: else
    fi
}

/* What was found is held against what was said. */
inline judge()
{
    i = 0;
    do
    :: i < N ->
        assert(i >= cut || !cut_away[memory[i]]);                                           /* fresh */
        assert(said_durable[i] == 0 || (i < cut && memory[i] == said_durable[i]));          /* kept */
        assert(!live_there || said_buffered[i] == 0 || (i < cut && memory[i] == said_buffered[i])); /* alive, prefix */
        i++
    :: else -> break
    od;
    i = 0
}

/* What lies behind the cut is gone, and may be forgotten by whom it was told. */
inline forget()
{
    i = cut;
    do
    :: i < N ->
        if
        :: memory[i] != 0 -> cut_away[memory[i]] = true
        :: else
        fi;
        said_buffered[i] = 0;
        i++
    :: else -> break
    od;
    i = 0
}

inline copy(from, to)
{
    i = from;
    do
    :: i < to -> medium[i] = memory[i]; i++
    :: else -> break
    od;
    i = 0
}

active proctype recovery()
{
    byte at;
    do
    :: atomic { up && crashes < CRASHES -> crash() }
    :: atomic {
           !up ->
           scan();
           assert(cut >= vouched); /* opens */
           judge();
           at = cut;
           forget()
       };
       do
#ifndef NO_ZEROS
       :: atomic { at < N -> memory[at] = 0; at++ }
#else
       :: atomic { at < N -> at = N }
#endif
       :: atomic { at >= N -> at = 0 } -> break
       :: atomic { crashes < CRASHES -> at = 0; crash() } -> goto next
       od;
#if !defined(NO_ZEROS_SYNC) && !defined(NO_ZEROS)
       atomic { copy(cut, N) };
#endif
       if
       :: atomic { crashes < CRASHES -> crash() } -> goto next
       :: true
       fi;
#ifndef NO_TAIL_SYNC
       atomic { copy(0, cut) };
#endif
       if
       :: atomic { crashes < CRASHES -> crash() } -> goto next
       :: true
       fi;
       atomic {
           claimed = cut;
#ifndef NO_EPOCH
           epoch++
#endif
       };
       if
       :: atomic { crashes < CRASHES -> crash() } -> goto next
       :: true
       fi;
       atomic {
           end = cut;
           published = cut;
           durable = cut;
           live_there = true;
           cut = 0;
           vouched = 0;
           up = true
       };
next:  skip
    od
}
