/*
 * plant.h: mistakes that can be put into the library, one at a time, to see that the tests find them.
 *
 * Only the test build with BPI_PLANT has them (cmake/tests.cmake: of the files that include this one); everywhere else
 * bpi_planted is the constant false, and what depends on it is not there. tests/sim/test_planted.c puts each one in and fails
 * if nothing notices; docs/testing.md lists them.
 */
#ifndef BPI_BASE_PLANT_H
#define BPI_BASE_PLANT_H

#include <stdbool.h>

typedef enum bpi_plant {
    BPI_PLANT_NONE = 0,
    BPI_PLANT_SYNC_LEFT_OUT,         /* the log is never synced */
    BPI_PLANT_SYNC_RETRIED,          /* a sync that failed is tried again, and believed */
    BPI_PLANT_ACKNOWLEDGED_EARLY,    /* a durable append does not wait for its sync */
    BPI_PLANT_DURABLE_TOO_FAR,       /* what was written during a sync counts as covered by it */
    BPI_PLANT_RECEIPT_BOASTS,        /* receipts of buffered appends say durable */
    BPI_PLANT_BATCH_SPLIT,           /* a batch is one frame for each event */
    BPI_PLANT_TORN_NOT_KEPT,         /* what recovery cuts is not copied */
    BPI_PLANT_TORN_UNSYNCED,         /* the copy of what is cut is not synced before the original is zeroed */
    BPI_PLANT_CUT_NOT_ZEROED,        /* what is cut stays where it was */
    BPI_PLANT_LIVE_IGNORED,          /* recovery does not ask what a killed writer had published */
    BPI_PLANT_FRONTIERS_IGNORED,     /* headers behind the cut do not vouch */
    BPI_PLANT_EPOCH_STAYS,           /* recovery does not begin a new epoch */
    BPI_PLANT_CUT_NOT_TOLD,          /* a cut is not noted */
    BPI_PLANT_TAIL_UNSYNCED,         /* recovery claims what it has not synced */
    BPI_PLANT_TAIL_NOT_REWRITTEN,    /* an opening believes the sync behind one that failed */
    BPI_PLANT_SEQUENCE_REUSED,       /* behind a cut the last sequence is given once more */
    BPI_PLANT_HLC_FORGOTTEN,         /* the HLC begins anew with each opening */
    BPI_PLANT_SEGMENT_UNSYNCED,      /* a new segment is not synced */
    BPI_PLANT_SEGMENT_NAME_UNSYNCED, /* the directory of a new segment is not synced */
    BPI_PLANT_LIST_NAME_UNSYNCED,    /* the directory of a new segment list is not synced */
    BPI_PLANT_LIST_UNSYNCED,         /* segment lists are not synced */
    BPI_PLANT_SLOT_UNSYNCED,         /* the manifest is not synced */
    BPI_PLANT_MANIFEST_IN_PLACE,     /* the first manifest is written under its own name */
    BPI_PLANT_LIST_REMOVED_EARLY,    /* the list in force goes before the slot that names the next */
    BPI_PLANT_FRONTIER_TOO_HIGH,     /* a frame vouches for what no sync covered */
    BPI_PLANT_ROTATED_EARLY,         /* a segment takes frames before the one two back is synced */
    BPI_PLANT_SEALED_UNSYNCED,       /* a segment is sealed before it is synced */
    BPI_PLANT_NO_MARK,               /* an idle keeper writes no MARK */
    BPI_PLANT_CLOSE_UNSYNCED,        /* a clean close claims a CLOSE that is not synced */
    BPI_PLANT_PUBLISHED_EARLY,       /* other processes are told of a frame before it is written */
    BPI_PLANT_CHAIN_CUT,             /* an event is not bound to the one before it */
    BPI_PLANT_EXPECTATION_UNJUDGED,  /* an expectation is not judged */
    BPI_PLANT_OLD_ID_FORGOTTEN,      /* ids in earlier segments are not looked for */
    BPI_PLANT_RETRY_UNWAITED,        /* a durable retry of a buffered append does not wait */
    BPI_PLANT_RETRY_NOT_COMPARED,    /* a retry with another payload gets the first receipt */
    BPI_PLANT_GUARD_SEES_DURABLE,    /* a guard does not see what is not durable yet */
    BPI_PLANT_READER_AHEAD,          /* a reader goes on to what is written and not published */
    BPI_PLANT_LINK_IGNORED,          /* a frame is accepted behind one that it does not follow */
    BPI_PLANT_SALT_IGNORED,          /* a frame of another segment is accepted */
    BPI_PLANT_POSITION_UNSYNCED,     /* a consumer's position is renamed before it is synced */
    BPI_PLANT_REWRITE_UNSYNCED,      /* a rewritten segment is not synced before it takes the place of its sources */
    BPI_PLANT_REWRITE_NAME_UNSYNCED, /* its name is not */
    BPI_PLANT_SOURCES_REMOVED_EARLY, /* the sources' files go before the list that does without them */
    BPI_PLANT_OLD_SEGMENT_LEFT,      /* the sources' files stay */
    BPI_PLANT_REMOVAL_UNSYNCED,      /* that they are gone is not synced before a list leaves them out */
    BPI_PLANT_SURVIVOR_DROPPED,      /* compaction drops an event that was to be kept */
    BPI_PLANT_DROPPED_ID_FREE,       /* the id of a dropped event can be taken again */
    BPI_PLANT_STALE_COPY_LEFT,       /* erasing leaves copies behind the ends of segments */
    BPI_PLANT_TORN_LEFT,             /* erasing leaves what recovery had set aside */
    BPI_PLANT_OPEN_SEGMENT_SHARED,   /* a snapshot links the segment that is being written */
    BPI_PLANT_SNAPSHOT_UNSYNCED,     /* what a snapshot copies is not synced */
    BPI_PLANT_COMPLETION_UNSYNCED,   /* nor is the name that says it is complete */
    BPI_PLANT_RESTORE_UNPROVEN,      /* a restore does not look at the snapshot first */
    BPI_PLANT_KEY_UNSYNCED,          /* a subject's key is used before its file's name is synced */
    BPI_PLANT_KEY_DESTROYED_EARLY,   /* a key goes before that is on record */
    BPI_PLANT_KEY_INTENT_UNTOLD,     /* nothing says that a key is about to be destroyed */
    BPI_PLANT_TOMBSTONE_UNSYNCED,    /* a tombstone is acknowledged before it is durable */
    BPI_PLANT_REPLACED_BELIEVED,     /* a repair asks replaced segments where their successors end */
    BPI_PLANT_INSPECTION_BLIND,      /* an inspection does not see that something will be cut */
    BPI_PLANT_KEEPER_SILENT,         /* a failed sync of fresh space is told nobody */
    BPI_PLANT_SYNCED_BESIDE,         /* a sync is believed before those beside it have ended */
    BPI_PLANT_COUNT
} bpi_plant;

#ifdef BPI_PLANT
extern bpi_plant bpi_plant_active; /* the one that is in */
#endif

static inline bool bpi_planted(bpi_plant plant)
{
#ifdef BPI_PLANT
    return bpi_plant_active == plant;
#else
    (void)plant;
    return false;
#endif
}

#endif
