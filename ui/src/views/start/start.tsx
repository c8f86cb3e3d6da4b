// Where the window begins while no project is open. Names for tests: heading "Log into LiveKit" with the project
// form, or heading "Projects" with one button per project ([data-testid=project]) and "Add project".

import { ChevronRight, KeyRound, Plus } from "lucide-react";
import type { Project } from "@/backend/types";
import { Button } from "@/kit/button";
import { Notice } from "@/kit/notice";
import { useCommand } from "@/lib/commands";
import { openDialog } from "@/store/desk";
import { useStudio } from "@/store/studio";
import { t } from "@/words";
import { Mark } from "../mark";
import { ProjectForm } from "./project-form";

/** First start: nothing to choose from yet. */
export function FirstStart() {
  // The form itself speaks of the keyring.
  const problems = useStudio((snapshot) => snapshot.machine.problems).filter(
    ({ code }) => code !== "keyring",
  );
  return (
    <main className="h-full overflow-y-auto">
      <div className="mx-auto grid min-h-full w-full max-w-[56rem] items-center gap-12 px-8 py-10 md:grid-cols-[1fr_22rem]">
        <div className="flex flex-col gap-5">
          <Mark className="size-10 text-soft" />
          <div>
            <h1 className="text-xl font-semibold tracking-tight">{t("app")}</h1>
            <p className="mt-2 max-w-[24rem] text-base text-soft">{t("start.what")}</p>
          </div>
          <ul className="flex max-w-[24rem] flex-col gap-2 text-sm text-soft">
            {([t("start.point1"), t("start.point2"), t("start.point3")] as const).map((point) => (
              <li
                key={point}
                className="flex gap-3 before:mt-2 before:h-1 before:w-3 before:shrink-0 before:bg-chosen"
              >
                {point}
              </li>
            ))}
          </ul>
        </div>
        <section aria-labelledby="login" className="rounded-md border border-line bg-panel p-5">
          <h2 id="login" className="mb-4 text-lg font-semibold">
            {t("start.login")}
          </h2>
          <ProjectForm />
          {problems.map((problem) => (
            <Notice key={problem.message} error={problem} className="mt-3" />
          ))}
        </section>
      </div>
    </main>
  );
}

/** Which project to open. */
export function ProjectChoice() {
  const projects = useStudio((snapshot) => snapshot.projects.list);
  const select = useCommand((backend, id: string) => backend.selectProject(id));
  return (
    <main className="h-full overflow-y-auto">
      <div className="mx-auto flex w-full max-w-[36rem] flex-col gap-4 px-6 py-14">
        <div className="flex items-end justify-between">
          <h1 className="text-lg font-semibold">{t("projects")}</h1>
          <Button onClick={() => openDialog({ name: "add-project" })}>
            <Plus />
            {t("project.new")}
          </Button>
        </div>
        <ul className="flex flex-col gap-2">
          {projects.map((project) => (
            <li key={project.id}>
              <ProjectRow
                project={project}
                onOpen={() =>
                  project.secret === "missing"
                    ? openDialog({ name: "edit-project", id: project.id })
                    : select.mutate(project.id)
                }
              />
            </li>
          ))}
        </ul>
      </div>
    </main>
  );
}

function ProjectRow({ project, onOpen }: { project: Project; onOpen: () => void }) {
  return (
    <button
      type="button"
      data-testid="project"
      onClick={onOpen}
      className="flex w-full items-center gap-4 rounded-md border border-line bg-panel px-4 py-3 text-left transition-colors hover:bg-card"
    >
      <div className="min-w-0 flex-1">
        <p dir="auto" className="truncate text-base font-medium">
          {project.name}
        </p>
        <p className="truncate text-xs text-faint">{project.url}</p>
      </div>
      {project.secret === "missing" && (
        <span className="flex items-center gap-1.5 text-xs text-look">
          <KeyRound className="size-3.5" aria-hidden />
          {t("project.secretMissing")}
        </span>
      )}
      {project.secret === "this_run" && (
        <span className="text-xs text-faint">{t("project.secretThisRun")}</span>
      )}
      <ChevronRight className="size-4 text-faint" aria-hidden />
    </button>
  );
}
