// What LiveKit's own egress service does for the open project, as questions asked of the snapshot; and which of its jobs
// this window has started. They are none of this computer's: its tally light and its end know nothing of them.

import { create } from "zustand";
import type {
  DestinationId,
  EgressId,
  ElsewhereJob,
  LayoutChoice,
  RecordRequest,
  Snapshot,
  StoragePlace,
} from "@/backend/types";
import type { Desk } from "./desk";
import { tickedOf } from "./live";
import { sameSource } from "./select";

interface Started {
  /** What was asked for, of those that this window has started. */
  requests: Record<EgressId, RecordRequest>;
}

export const noneStarted: Started = { requests: {} };
export const useStarted = create<Started>(() => noneStarted);

export const rememberStarted = (id: EgressId, request: RecordRequest) =>
  useStarted.setState(({ requests }) => ({ requests: { ...requests, [id]: request } }));

export const isOpen = ({ status }: ElsewhereJob): boolean =>
  status === "starting" || status === "active" || status === "ending";

export const openElsewhere = ({ elsewhere }: Snapshot): ElsewhereJob[] => elsewhere.jobs.filter(isOpen);
export const pastElsewhere = ({ elsewhere }: Snapshot): ElsewhereJob[] =>
  elsewhere.jobs.filter((job) => !isOpen(job));

/** How long it has gone on, or went on, ms. */
export function elapsedElsewhere({ started_at_ms, ended_at_ms }: ElsewhereJob, now_ms: number): number {
  return started_at_ms === null ? 0 : Math.max(0, (ended_at_ms ?? now_ms) - started_at_ms);
}

/** Where Record records: there only where there is such a service. */
export const recordsOn = ({ where }: Pick<Desk, "where">, { elsewhere }: Snapshot): Desk["where"] =>
  elsewhere.service === "present" ? where : "here";

/** The job there that records what is chosen, of those that this window has started. */
function jobFor(request: RecordRequest, snapshot: Snapshot, { requests }: Started): ElsewhereJob | null {
  const same = (id: EgressId) => {
    const asked = requests[id];
    return asked?.room_name === request.room_name && sameSource(asked.source, request.source);
  };
  return openElsewhere(snapshot).find((job) => same(job.egress_id)) ?? null;
}

/** How what is chosen stands there; none where it is recorded here. */
export function elsewhereFor(
  desk: Pick<Desk, "where">,
  snapshot: Snapshot,
  request: RecordRequest | null,
  started = useStarted.getState(),
): { job: ElsewhereJob | null } | null {
  if (!request || recordsOn(desk, snapshot) === "here") return null;
  return { job: jobFor(request, snapshot, started) };
}

/** Layouts of ours that LiveKit's template has as well. */
const THEIRS = ["grid", "speaker", "single-speaker"].flatMap((name) => [name, `${name}-light`]);

/** A layout by the name that we have for it: theirs are dark unless they are light. */
export function ourName(layout: string): string {
  const plain = layout.replace(/-dark$/, "");
  return THEIRS.includes(plain) ? plain : layout;
}

/** The layouts to choose from for a job there: those of LiveKit's template, or the one of a template of one's own. */
export function layoutsElsewhere(
  layouts: LayoutChoice[],
  current: string,
): { name: string; title: string }[] {
  const theirs = layouts.filter((one) => THEIRS.includes(one.name));
  const shown = ourName(current);
  // Who names none gets the template's own.
  if (shown === "" || theirs.some((one) => one.name === shown)) return theirs;
  return [{ name: shown, title: shown }, ...theirs];
}

/** Whether LiveKit's service can be told to put files there. */
export function isWithinReach({ profile: { storage } }: StoragePlace): boolean {
  return storage.kind !== "local" && !(storage.kind === "azure" && storage.endpoint !== "");
}

/** What LiveKit's service cannot do of a request. */
export type Limit = "as_published" | "webm" | "copy" | "proxy" | "fmp4" | "layout" | "storage" | "live";

export function limitsOf(request: RecordRequest, ticked: DestinationId[], snapshot: Snapshot): Limit[] {
  const { source, format, segments, upload } = request;
  const storage = snapshot.storages.find((one) => one.id === upload?.storage);
  const track = source.type === "track";
  const vp9 = format.type === "advanced" && format.options.video_codec === "vp9";
  const limits: [Limit, boolean][] = [
    ["as_published", format.type === "as_published" && !track],
    ["webm", (format.container === "webm" && !track) || vp9],
    [
      "layout",
      source.type === "room_composite" && !source.base_url && !THEIRS.includes(ourName(source.layout)),
    ],
    ["copy", request.copy_folder !== null],
    ["proxy", request.proxy !== null],
    ["fmp4", segments?.fmp4 ?? false],
    ["storage", storage !== undefined && !isWithinReach(storage)],
    ["live", tickedOf(ticked, snapshot.destinations).length > 0],
  ];
  return limits.filter(([, is]) => is).map(([limit]) => limit);
}
