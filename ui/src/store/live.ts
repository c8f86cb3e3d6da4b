// Live streams, as questions asked of jobs: where they go, how that goes, what they are called. What the window itself
// keeps of them (which saved one an output is, which row is open) is here as well; no address with a key ever is.

import { create } from "zustand";
import type {
  Destination,
  DestinationId,
  DestinationResult,
  DestinationState,
  EgressId,
  Job,
  JobDestination,
  JobOutput,
  OutputFigures,
  OutputId,
} from "@/backend/types";
import { isRunning } from "./select";

/** An output that goes to a server. */
export type Stream = JobOutput & { destination: JobDestination };

const natural = new Intl.Collator("en", { numeric: true });

const isStream = (output: JobOutput): output is Stream => output.destination !== null;

/** Where a job streams to, in the order in which they were added. */
export function streamsOf(job: Job): Stream[] {
  return job.outputs.filter(isStream).sort((a, b) => natural.compare(a.id, b.id));
}

/** What a job writes to a disk. */
export const filesOf = (job: Job): JobOutput[] => job.outputs.filter((output) => output.destination === null);

/** Whether it writes to a disk now. An output that the job has not told of yet is a file. */
const writes = (job: Job): boolean =>
  job.outputs.length === 0 || filesOf(job).some(({ state }) => state !== "done" && state !== "failed");

/** Whether nothing more is sent there. */
export const isStreamOver = ({ is }: DestinationState): boolean => is === "stopped" || is === "failed";

/** What a stream sent before it was over; none while it is not. */
export function resultOf(state: DestinationState): DestinationResult | null {
  return state.is === "stopped" || state.is === "failed" ? state.result : null;
}

/** How a job is on air: whether it writes files, and how many destinations take its stream. */
export interface Air {
  records: boolean;
  live: number;
  /** Destinations that are not over. */
  wanted: number;
}

export function airOf(job: Job): Air {
  const alive = streamsOf(job).filter((one) => !isStreamOver(one.destination.state));
  return {
    records: writes(job),
    live: alive.filter((one) => one.destination.state.is === "live").length,
    wanted: alive.length,
  };
}

/** The same of several jobs together: how many record, and their destinations. */
export function airOfAll(jobs: Job[]): { recording: number; live: number; wanted: number } {
  const sum = { recording: 0, live: 0, wanted: 0 };
  for (const job of jobs) {
    if (!isRunning(job)) continue;
    const { records, live, wanted } = airOf(job);
    sum.recording += Number(records);
    sum.live += live;
    sum.wanted += wanted;
  }
  return sum;
}

/** The figures of one output of a job. */
export function figuresOf(job: Job, id: OutputId): OutputFigures | null {
  return job.figures?.outputs.find((one) => one.output === id) ?? null;
}

/** Whether its end would be the end of the job: it streams, and does nothing else. */
export function isLastOf(job: Job, id: OutputId): boolean {
  const others = streamsOf(job).filter((one) => one.id !== id && !isStreamOver(one.destination.state));
  return !writes(job) && others.length === 0;
}

interface Kept {
  /** Which saved destination an output goes to, of those that this window added. */
  saved: Record<string, DestinationId>;
  /** The row whose details are open. */
  open: string | null;
  /** The row that asks whether it is to be removed. */
  asking: string | null;
}

export const noneKept: Kept = { saved: {}, open: null, asking: null };
export const useLive = create<Kept>(() => noneKept);

/** One name for an output among those of all jobs. */
export const keyOf = (job: EgressId, output: OutputId): string => `${job}/${output}`;

export const rememberSaved = (job: EgressId, output: OutputId, id: DestinationId) =>
  useLive.setState(({ saved }) => ({ saved: { ...saved, [keyOf(job, output)]: id } }));

/** Opens the details of a row, or shuts them. */
export const openRow = (key: string | null) => useLive.setState({ open: key, asking: null });

/** Asks in the row whether it is to be removed. */
export const askToRemove = (key: string) => useLive.setState({ open: key, asking: key });

/**
 * The saved destination that an output goes to. Shown addresses hide the key: where two saved ones look alike, the
 * window only knows which it is if it was added here.
 */
export function savedOf(
  job: EgressId,
  { id, destination }: Stream,
  list: Destination[],
  saved = useLive.getState().saved,
): Destination | null {
  const known = saved[keyOf(job, id)];
  const mine = list.find((one) => one.id === known);
  if (mine) return mine;
  const alike = list.filter((one) => one.address === destination.address);
  return alike.length === 1 ? (alike[0] ?? null) : null;
}

/** What an output is called: the name it is saved by, else its address, from the server's name on. */
export function streamName(
  job: EgressId,
  stream: Stream,
  list: Destination[],
  saved = useLive.getState().saved,
): string {
  const name = savedOf(job, stream, list, saved)?.name;
  return name ?? stream.destination.address.replace(/^(rtmps?|srt|wss?):\/\//i, "");
}

/** What Record will stream to: the ticked ones that still are saved and whose keys are at hand. */
export function tickedOf(ticked: DestinationId[], list: Destination[]): Destination[] {
  return list.filter((one) => ticked.includes(one.id) && one.key !== "missing");
}

/** The saved destinations that a job streams to at present. */
export function savedOn(job: Job, list: Destination[], saved = useLive.getState().saved): DestinationId[] {
  return streamsOf(job)
    .filter((one) => !isStreamOver(one.destination.state))
    .flatMap((one) => savedOf(job.egress_id, one, list, saved)?.id ?? []);
}
