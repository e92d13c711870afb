/* A team of threads that work on one job in step.
 *
 * All ranks call `work`, rank 0 on the caller's thread.  Whoever finds the
 * threads in use by another caller works alone: a job has to give the same
 * result for every number of ranks.
 */
#ifndef NEUROAI_TEAM_H
#define NEUROAI_TEAM_H

enum { MOST_RANKS = 64 };

typedef struct Team Team;
typedef void TeamWork(void *job, Team *team, int rank, int ranks);

/* returns when every rank has; fewer ranks where threads cannot be had */
void team_run(TeamWork *work, void *job, int ranks);

/* waits for all ranks; what was written before is seen after */
void team_barrier(Team *team);

/* how often a rank has fallen asleep at a barrier since this was asked last: where cores are
 * shared with others, often */
int team_slept(Team *team);

#endif
