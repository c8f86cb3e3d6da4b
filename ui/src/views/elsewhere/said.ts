import type { ApiError, ElsewhereJob } from "@/backend/types";
import { t } from "@/words";

/** What went wrong with a job there, in the service's own words; none where nothing did. */
export function saidOf({ error, status }: Pick<ElsewhereJob, "error" | "status">): ApiError | null {
  if (error === "" && status !== "failed") return null;
  return {
    code: "internal",
    message: error === "" ? t("elsewhere.failed") : t("elsewhere.said", { words: error }),
    remedy: t("elsewhere.said.what"),
    retryable: true,
    fault: "server",
    detail: error,
  };
}
