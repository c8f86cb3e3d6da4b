// Names for tests: dialog "Settings"; "Recordings go to", "Choose folder", "File name", "Save".

import { FolderOpen } from "lucide-react";
import { type RefObject, useRef, useState } from "react";
import { Button } from "@/kit/button";
import { Dialog } from "@/kit/dialog";
import { Field, Input } from "@/kit/field";
import { Notice } from "@/kit/notice";
import { useCommand, useOwnCommand } from "@/lib/commands";
import { closeDialog, useDesk } from "@/store/desk";
import { useStudio } from "@/store/studio";
import { t } from "@/words";
import { exampleName, PLACEHOLDERS } from "./outputs/example-name";

export function SettingsDialog() {
  const open = useDesk((desk) => desk.dialog?.name === "settings");
  const first = useRef<HTMLInputElement>(null);
  return (
    <Dialog
      open={open}
      onClose={closeDialog}
      title={t("settings")}
      className="w-[min(34rem,calc(100vw-2rem))]"
      focusFirst={first}
    >
      <SettingsForm first={first} />
    </Dialog>
  );
}

function SettingsForm({ first }: { first: RefObject<HTMLInputElement | null> }) {
  const settings = useStudio((snapshot) => snapshot.settings);
  const problems = useStudio((snapshot) => snapshot.machine.problems);
  const [folder, setFolder] = useState(settings.folder);
  const [name, setName] = useState(settings.name);
  const choose = useCommand((backend, _: null) => backend.chooseFolder());
  const save = useOwnCommand((backend, _: null) =>
    backend.setSettings({ ...settings, folder: folder.trim(), name: name.trim() }),
  );
  const example = exampleName(
    {
      room_name: "morning-show",
      source: { type: "participant", identity: "ada", follow_screen_share: false },
      format: { type: "preset", container: "mp4", preset: "H264_720P_30" },
      folder,
      name,
      manifest: true,
      upload: null,
    },
    null,
    "RM_4fjq8",
    new Date(),
  );
  return (
    <form
      className="flex min-h-0 flex-col"
      onSubmit={(event) => {
        event.preventDefault();
        save.mutate(null, {
          onSuccess: () => {
            // What was set for the next recording alone gives way to what is set for all.
            useDesk.setState({ folder: null, name: null });
            closeDialog();
          },
        });
      }}
    >
      <div className="flex min-h-0 flex-col gap-4 overflow-y-auto p-4">
        {problems.length > 0 && (
          <section className="flex flex-col gap-2">
            <h3 className="label-caps">{t("settings.problems")}</h3>
            {problems.map((problem) => (
              <Notice key={problem.message} error={problem} />
            ))}
          </section>
        )}
        <Field label={t("settings.folder")} hint={t("settings.folder.hint")}>
          {(ids) => (
            <div className="flex gap-2">
              <Input
                {...ids}
                ref={first}
                value={folder}
                onChange={(event) => setFolder(event.target.value)}
                required
              />
              <Button onClick={() => choose.mutate(null, { onSuccess: (path) => path && setFolder(path) })}>
                <FolderOpen />
                {t("settings.folder.choose")}
              </Button>
            </div>
          )}
        </Field>
        <Field label={t("form.name")} hint={t("settings.name.example", { example })}>
          {(ids) => (
            <Input
              {...ids}
              value={name}
              placeholder={t("form.name.default")}
              onChange={(event) => setName(event.target.value)}
            />
          )}
        </Field>
        <fieldset>
          <legend className="mb-1.5 text-xs text-faint">{t("settings.placeholders")}</legend>
          <div className="flex flex-wrap gap-1">
            {PLACEHOLDERS.map((placeholder) => (
              <Button
                key={placeholder}
                size="sm"
                look="outline"
                className="border-line font-normal text-soft"
                onClick={() => setName(`${name}{${placeholder}}`)}
              >
                {`{${placeholder}}`}
              </Button>
            ))}
          </div>
        </fieldset>
        {save.error && <Notice error={save.error} />}
      </div>
      <div className="flex justify-end gap-2 border-t border-line p-3">
        <Button look="quiet" onClick={closeDialog}>
          {t("cancel")}
        </Button>
        <Button type="submit" look="main" disabled={save.isPending || folder.trim() === ""}>
          {t("save")}
        </Button>
      </div>
    </form>
  );
}
