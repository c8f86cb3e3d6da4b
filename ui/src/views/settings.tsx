// Names for tests: dialog "Settings" with the tabs "Recordings", "Live", "Uploads", "Automatic" and "API"; "Recordings go
// to", "Choose folder", "File name", "Limit for uploads", "Save". Where a storage, a destination or a rule is added or edited
// its form takes the place of the tabs, which keep what was typed into them.

import { FolderOpen } from "lucide-react";
import { type RefObject, useRef, useState } from "react";
import type { Settings, StorageId } from "@/backend/types";
import { Button } from "@/kit/button";
import { Dialog } from "@/kit/dialog";
import { Field, Input } from "@/kit/field";
import { Notice } from "@/kit/notice";
import { TabPanel, Tabs } from "@/kit/tabs";
import { useCommand, useOwnCommand } from "@/lib/commands";
import { cx } from "@/lib/cx";
import { closeDialog, type DialogName, openDialog, type SettingsTab, useDesk } from "@/store/desk";
import { useStudio } from "@/store/studio";
import { t } from "@/words";
import { ApiSection } from "./api/api-section";
import { RuleForm } from "./auto/rule-form";
import { RuleList } from "./auto/rules";
import { DestinationForm, destinationTitle } from "./live/destination-form";
import { SavedDestinations } from "./live/saved-destinations";
import { exampleName, PLACEHOLDERS } from "./outputs/example-name";
import { StorageForm } from "./storages/storage-form";
import { StorageList } from "./storages/storage-list";

const TABS: SettingsTab[] = ["recordings", "live", "uploads", "automatic", "api"];

/** The dialog as the desk has it; none while another is open, or none is. */
const settingsOf = (dialog: DialogName | null) => (dialog?.name === "settings" ? dialog : null);

export function SettingsDialog() {
  const dialog = useDesk((desk) => settingsOf(desk.dialog));
  const storages = useStudio((snapshot) => snapshot.storages);
  const first = useRef<HTMLInputElement>(null);
  const asked = dialog?.storage ?? null;
  const place = storages.find((one) => one.id === asked) ?? null;
  // A storage that is gone is edited no more.
  const editing = asked === "new" || place !== null;
  const destinations = useStudio((snapshot) => snapshot.destinations);
  const wanted = dialog?.destination ?? null;
  const destination = destinations.find((one) => one.id === wanted) ?? null;
  const streaming = wanted === "new" || destination !== null;
  const rules = useStudio((snapshot) => snapshot.rules);
  const ruled = dialog?.rule ?? null;
  const rule = rules.find((one) => one.id === ruled) ?? null;
  const ruling = ruled === "new" || rule !== null;
  const aside = editing || streaming || ruling;
  const tab = dialog?.tab ?? "recordings";
  const back = () => openDialog({ name: "settings", tab: dialog?.tab });
  const stored = (saved: StorageId | null) => {
    if (!dialog?.choose) return back();
    if (saved) useDesk.setState({ upload: { storage: saved, backup: null, remove_local: false } });
    closeDialog();
  };
  const title = editing
    ? place
      ? t("storage.edit", { name: place.name })
      : t("storage.new")
    : streaming
      ? destinationTitle(destination)
      : ruling
        ? rule
          ? t("rule.edit", { name: rule.what.rooms })
          : t("rule.new")
        : t("settings");
  return (
    <Dialog
      open={dialog !== null}
      onClose={closeDialog}
      title={title}
      className="top-[8vh] max-h-[86vh] w-[min(36rem,calc(100vw-2rem))]"
      focusFirst={aside || tab !== "recordings" ? undefined : first}
    >
      <div className={cx("flex min-h-0 flex-col", aside && "hidden")}>
        <SettingsForm first={first} tab={tab} />
      </div>
      {editing && <StorageForm key={asked} place={place} onDone={stored} />}
      {streaming && <DestinationForm key={wanted} of={destination} onDone={back} />}
      {ruling && <RuleForm key={ruled} rule={rule} rooms={dialog?.rooms ?? ""} onDone={back} />}
    </Dialog>
  );
}

/** Mbit/s as it is typed, of bits a second. */
const limitText = ({ upload_limit_bps }: Settings) =>
  upload_limit_bps === null ? "" : String(upload_limit_bps / 1e6);

function limitOf(text: string): number | null {
  const mbit = Number(text);
  return mbit > 0 && Number.isFinite(mbit) ? Math.max(1, Math.round(mbit * 1e6)) : null;
}

function SettingsForm({ first, tab }: { first: RefObject<HTMLInputElement | null>; tab: SettingsTab }) {
  const settings = useStudio((snapshot) => snapshot.settings);
  const problems = useStudio((snapshot) => snapshot.machine.problems);
  const [folder, setFolder] = useState(settings.folder);
  const [name, setName] = useState(settings.name);
  const [limit, setLimit] = useState(limitText(settings));
  const choose = useCommand((backend, _: null) => backend.chooseFolder());
  const save = useOwnCommand((backend, _: null) =>
    backend.setSettings({
      ...settings,
      folder: folder.trim(),
      name: name.trim(),
      upload_limit_bps: limitOf(limit),
    }),
  );
  const example = exampleName(
    {
      room_name: "morning-show",
      source: { type: "participant", identity: "ada", follow_screen_share: false },
      format: { type: "preset", container: "mp4", preset: "H264_720P_30" },
      folder,
      name,
      manifest: true,
      segments: null,
      images: null,
      copy_folder: null,
      proxy: null,
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
      <Tabs
        label={t("settings.tab")}
        value={tab}
        tabs={TABS.map((value) => ({ value, label: t(`settings.${value}`) }))}
        onChange={(next) => openDialog({ name: "settings", tab: next })}
      >
        <TabPanel value="recordings">
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
        </TabPanel>
        <TabPanel value="live">
          <SavedDestinations
            onEdit={(destination) => openDialog({ name: "settings", tab: "live", destination })}
          />
        </TabPanel>
        <TabPanel value="uploads">
          <StorageList onEdit={(storage) => openDialog({ name: "settings", tab: "uploads", storage })} />
          <Field label={t("upload.limit")} hint={t("upload.limit.hint")}>
            {(ids) => (
              <div className="flex items-center gap-2">
                <Input
                  {...ids}
                  type="number"
                  min={0}
                  step="any"
                  className="w-28"
                  value={limit}
                  placeholder={t("upload.limit.none")}
                  onChange={(event) => setLimit(event.target.value)}
                />
                <span className="text-soft">{t("upload.limit.unit")}</span>
              </div>
            )}
          </Field>
        </TabPanel>
        <TabPanel value="automatic">
          <RuleList onEdit={(id) => openDialog({ name: "settings", tab: "automatic", rule: id })} />
        </TabPanel>
        <TabPanel value="api">
          <ApiSection />
        </TabPanel>
      </Tabs>
      {save.error && <Notice error={save.error} className="mx-4 mb-3" />}
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
