// Sends a recording to a storage afterwards. Names for tests: dialog "Upload <title>", "Upload to" and the rest of
// upload-choice.tsx, button "Upload"; what the studio refuses is [data-testid=notice].

import { LoaderCircle } from "lucide-react";
import { useState } from "react";
import { useShallow } from "zustand/react/shallow";
import type { Job, UploadRequest } from "@/backend/types";
import { Button } from "@/kit/button";
import { Dialog } from "@/kit/dialog";
import { Notice } from "@/kit/notice";
import { useOwnCommand } from "@/lib/commands";
import { closeDialog, openDialog, uploadOf, useDesk } from "@/store/desk";
import { useStudio } from "@/store/studio";
import { t } from "@/words";
import { UploadChoice } from "./upload-choice";

export function UploadDialog() {
  const id = useDesk(({ dialog }) => (dialog?.name === "upload-recording" ? dialog.id : null));
  const job = useStudio((snapshot) => snapshot.jobs.find((one) => one.egress_id === id));
  return (
    <Dialog
      open={job !== undefined}
      onClose={closeDialog}
      title={t("upload.recording", { title: job?.title ?? "" })}
    >
      {job && <UploadForm key={job.egress_id} job={job} />}
    </Dialog>
  );
}

function UploadForm({ job }: { job: Job }) {
  const asked = useDesk((desk) => desk.upload);
  const storages = useStudio((snapshot) => snapshot.storages);
  // What was asked for it, else what is asked for the next ones, else the first there is.
  const [chosen, setChosen] = useState<UploadRequest | null>(
    job.request.upload ??
      asked ??
      (storages[0] ? { storage: storages[0].id, backup: null, remove_local: false } : null),
  );
  const upload = useStudio(useShallow((snapshot) => uploadOf(chosen, snapshot)));
  const start = useOwnCommand((backend, to: UploadRequest) => backend.uploadRecording(job.egress_id, to));
  return (
    <form
      className="flex min-h-0 flex-col"
      onSubmit={(event) => {
        event.preventDefault();
        if (upload) start.mutate(upload, { onSuccess: closeDialog });
      }}
    >
      <div className="flex min-h-0 flex-col gap-3 overflow-y-auto p-4">
        {storages.length === 0 ? (
          <p className="text-soft">{t("upload.recording.noStorage")}</p>
        ) : (
          <UploadChoice value={chosen} onChange={setChosen} must open />
        )}
        {start.error && <Notice error={start.error} />}
      </div>
      <div className="flex justify-end gap-2 border-t border-line p-3">
        <Button look="quiet" onClick={closeDialog}>
          {t("cancel")}
        </Button>
        {storages.length === 0 ? (
          <Button
            look="main"
            onClick={() => openDialog({ name: "settings", tab: "uploads", storage: "new" })}
          >
            {t("storage.add")}
          </Button>
        ) : (
          <Button type="submit" look="main" disabled={!upload || start.isPending}>
            {start.isPending && <LoaderCircle className="motion-safe:animate-spin" />}
            {t("upload.recording.start")}
          </Button>
        )}
      </div>
    </form>
  );
}
