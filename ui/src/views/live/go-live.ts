// Streams a job to saved destinations. Each goes its own way: what one refuses is told, and changes nothing for the
// others or for what is recorded.

import { asApiError, type Backend } from "@/backend/backend";
import type { ApiError, Destination, EgressId, Job } from "@/backend/types";
import { rememberSaved } from "@/store/live";
import type { Standing } from "@/store/standing";
import { t } from "@/words";
import { tellError } from "../tell";

/** Adds them all at once. */
export async function goLive(backend: Backend, job: EgressId, list: Destination[]) {
  await Promise.all(
    list.map(async ({ id, name }) => {
      try {
        rememberSaved(job, await backend.addStream(job, { type: "saved", id }), id);
      } catch (thrown) {
        tellError(named(asApiError(thrown), name));
      }
    }),
  );
}

/** An error that says whom it is about: the others may be live. */
function named(error: ApiError, name: string): ApiError {
  return { ...error, message: t("live.not", { name, what: error.message }) };
}

/** What the key D is about: the job that is looked at or the only one there is, or what is to come next. */
export function addsTo(standing: Standing | null, running: Job[]): EgressId | "next" | null {
  if (standing?.job) return standing.job.status === "ending" ? null : standing.job.egress_id;
  const there = standing?.elsewhere;
  if (there) return there.job?.can_stream && there.job.status !== "ending" ? there.job.egress_id : null;
  if (standing?.request) return "next";
  const [only, another] = running;
  return only && !another && only.status !== "ending" ? only.egress_id : null;
}
