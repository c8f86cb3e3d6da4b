import { Button } from "@/kit/button";
import { Dialog } from "@/kit/dialog";
import { useCommand } from "@/lib/commands";
import { closeDialog, useDesk } from "@/store/desk";
import { useStudio } from "@/store/studio";
import { t } from "@/words";
import { ProjectForm } from "./project-form";

/** Adding, editing and forgetting projects. */
export function ProjectDialogs() {
  const dialog = useDesk((desk) => desk.dialog);
  const projects = useStudio((snapshot) => snapshot.projects.list);
  const id = dialog && "id" in dialog ? dialog.id : null;
  const project = projects.find((one) => one.id === id);
  const forget = useCommand((backend, which: string) => backend.forgetProject(which));
  return (
    <>
      <Dialog open={dialog?.name === "add-project"} onClose={closeDialog} title={t("project.new")}>
        <div className="overflow-y-auto p-4">
          <ProjectForm onDone={closeDialog} onCancel={closeDialog} />
        </div>
      </Dialog>
      <Dialog
        open={dialog?.name === "edit-project" && project !== undefined}
        onClose={closeDialog}
        title={t("project.edit", { name: project?.name ?? "" })}
      >
        <div className="overflow-y-auto p-4">
          {project?.secret === "missing" && <p className="mb-3 text-soft">{t("project.missing.why")}</p>}
          {project && (
            <ProjectForm key={project.id} project={project} onDone={closeDialog} onCancel={closeDialog} />
          )}
        </div>
      </Dialog>
      <Dialog
        open={dialog?.name === "forget-project" && project !== undefined}
        onClose={closeDialog}
        title={t("project.forget.title", { name: project?.name ?? "" })}
      >
        <div className="flex flex-col gap-4 p-4">
          <p className="text-soft">{t("project.forget.what")}</p>
          <div className="flex justify-end gap-2">
            <Button look="quiet" onClick={closeDialog}>
              {t("cancel")}
            </Button>
            <Button
              look="outline"
              onClick={() => {
                if (id) forget.mutate(id);
                closeDialog();
              }}
            >
              {t("project.forget")}
            </Button>
          </div>
        </div>
      </Dialog>
    </>
  );
}
