// Names for tests: labels "Name", "LiveKit URL", "API key", "API secret"; checkbox "Keep the secret for this run
// only"; buttons "Log in" / "Check and save", "Test only", "Cancel"; the result is [data-testid=notice] with [data-code].

import { CircleCheck, Eye, EyeOff, LoaderCircle } from "lucide-react";
import { type FormEvent, useState } from "react";
import type { ErrorCode, Project, ProjectInput } from "@/backend/types";
import { Button } from "@/kit/button";
import { Checkbox } from "@/kit/checkbox";
import { Field, Input } from "@/kit/field";
import { Notice } from "@/kit/notice";
import { useOwnCommand } from "@/lib/commands";
import { useStudio } from "@/store/studio";
import { t } from "@/words";

/** Which field an error is about. */
const FIELD_OF: Partial<Record<ErrorCode, "url" | "api_key" | "api_secret">> = {
  unreachable: "url",
  not_live_kit: "url",
  unknown_key: "api_key",
  wrong_secret: "api_secret",
};

/** Logs into a project: a new one, or one that is edited. The studio checks it before anything is saved. */
export function ProjectForm({
  project,
  onDone,
  onCancel,
}: {
  project?: Project;
  onDone?: () => void;
  onCancel?: () => void;
}) {
  const keyringError = useStudio((snapshot) => snapshot.projects.keyring_error);
  const [input, setInput] = useState({
    name: project?.name ?? "",
    url: project?.url ?? "",
    api_key: project?.api_key ?? "",
    api_secret: "",
    this_run_only:
      project?.secret === "this_run" || (keyringError !== null && (!project || project.secret === "missing")),
  });
  const [shown, setShown] = useState(false);
  const set = (part: Partial<typeof input>) => {
    setInput((before) => ({ ...before, ...part }));
    if (check.isSuccess) check.reset();
  };

  const secretNeeded = !project || project.secret === "missing";
  const save = useOwnCommand(async (backend, asked: ProjectInput) => {
    if (!project) {
      const id = await backend.addProject(asked);
      await backend.selectProject(id);
      return;
    }
    await backend.editProject(project.id, asked);
    // A project that had lost its secret could not be opened before.
    if (project.secret === "missing") await backend.selectProject(project.id);
  });
  const check = useOwnCommand((backend, asked: ProjectInput) =>
    backend.checkProject(asked, project?.id ?? null),
  );
  const asked = (this_run_only: boolean): ProjectInput => ({
    name: input.name.trim(),
    url: input.url.trim(),
    api_key: input.api_key.trim(),
    api_secret: input.api_secret.trim() || null,
    this_run_only,
  });
  const submit = (thisRunOnly: boolean) => {
    check.reset();
    save.mutate(asked(thisRunOnly), { onSuccess: onDone });
  };
  const tryIt = () => {
    save.reset();
    check.mutate(asked(input.this_run_only));
  };
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    submit(input.this_run_only);
  };
  const error = save.error ?? check.error;
  const wrong = error ? FIELD_OF[error.code] : undefined;
  const busy = save.isPending || check.isPending;
  const complete =
    input.url.trim() !== "" &&
    input.api_key.trim() !== "" &&
    (!secretNeeded || input.api_secret.trim() !== "");

  return (
    <form onSubmit={onSubmit} className="flex flex-col gap-3" data-testid="project-form">
      <Field label={t("project.url")}>
        {(ids) => (
          <Input
            {...ids}
            value={input.url}
            onChange={(event) => set({ url: event.target.value })}
            placeholder={t("project.url.example")}
            aria-invalid={wrong === "url" || undefined}
            autoFocus={!project}
            required
          />
        )}
      </Field>
      <Field label={t("project.key")}>
        {(ids) => (
          <Input
            {...ids}
            value={input.api_key}
            onChange={(event) => set({ api_key: event.target.value })}
            placeholder={t("project.key.example")}
            aria-invalid={wrong === "api_key" || undefined}
            required
          />
        )}
      </Field>
      <Field
        label={t("project.secret")}
        hint={
          input.this_run_only
            ? t("project.secret.thisRun")
            : secretNeeded
              ? t("project.secret.keyring")
              : t("project.secret.kept")
        }
      >
        {(ids) => (
          <div className="relative">
            <Input
              {...ids}
              type={shown ? "text" : "password"}
              value={input.api_secret}
              onChange={(event) => set({ api_secret: event.target.value })}
              aria-invalid={wrong === "api_secret" || undefined}
              className="pr-9"
              required={secretNeeded}
              autoFocus={project?.secret === "missing"}
            />
            <Button
              look="quiet"
              size="icon-sm"
              className="absolute top-0.5 right-0.5"
              aria-label={shown ? t("project.secret.hide") : t("project.secret.show")}
              aria-pressed={shown}
              onClick={() => setShown(!shown)}
            >
              {shown ? <EyeOff /> : <Eye />}
            </Button>
          </div>
        )}
      </Field>
      <Field label={t("project.name")} hint={t("project.name.hint")}>
        {(ids) => (
          <Input
            {...ids}
            dir="auto"
            value={input.name}
            onChange={(event) => set({ name: event.target.value })}
          />
        )}
      </Field>
      {keyringError && <Notice error={keyringError} />}
      <Checkbox
        checked={input.this_run_only}
        onChange={(on) => set({ this_run_only: on })}
        disabled={keyringError !== null && input.this_run_only}
      >
        <span>{t("project.thisRun")}</span>
      </Checkbox>
      {check.isSuccess && (
        <p role="status" data-testid="check-well" className="flex items-center gap-2 text-ready">
          <CircleCheck className="size-4 shrink-0" aria-hidden />
          {t("project.check.well")}
        </p>
      )}
      {error && (
        <Notice error={error}>
          {error.code === "keyring" && (
            <Button
              look="outline"
              size="sm"
              onClick={() => {
                set({ this_run_only: true });
                submit(true);
              }}
            >
              {t("project.thisRun.now")}
            </Button>
          )}
        </Notice>
      )}
      <div className="mt-1 flex items-center gap-2">
        <Button
          type="submit"
          look="main"
          size="lg"
          className="flex-1"
          disabled={!complete || busy}
          data-testid="project-save"
        >
          {save.isPending && <LoaderCircle className="motion-safe:animate-spin" />}
          {save.isPending ? t("project.checking") : project ? t("project.save") : t("project.add")}
        </Button>
        <Button size="lg" look="outline" disabled={!complete || busy} onClick={tryIt}>
          {check.isPending && <LoaderCircle className="motion-safe:animate-spin" />}
          {t("project.check")}
        </Button>
        {onCancel && (
          <Button size="lg" look="quiet" onClick={onCancel}>
            {t("cancel")}
          </Button>
        )}
      </div>
    </form>
  );
}
