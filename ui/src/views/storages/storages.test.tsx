// Storages in the settings, as a producer sets them up.

import { screen, waitFor, within } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { anError, emptySnapshot, inRoom, noKeyring, past } from "@/backend/fixture/people";
import { allStorages, anUpload, s3, someStorages } from "@/backend/fixture/uploads";
import { open } from "@/backend/fixture/window";
import { openDialog } from "@/store/desk";

type Window = Awaited<ReturnType<typeof open>>;

/** Opens the form for a new storage of a kind, by hand. */
async function add({ user }: Window, kind: string) {
  await user.keyboard("{Control>},{/Control}");
  await user.click(await screen.findByRole("tab", { name: "Uploads" }));
  await user.click(screen.getByRole("button", { name: "Add storage" }));
  const dialog = await screen.findByRole("dialog", { name: "Add a storage" });
  const choice = within(dialog)
    .getAllByTestId("storage-kind")
    .find((one) => one.dataset.kind === kind);
  if (!choice) throw new Error(`no kind ${kind}`);
  await user.click(choice);
  return within(dialog);
}

async function fillS3({ user }: Window, bucket: string, secret = "s3cret") {
  await user.type(screen.getByLabelText("Bucket"), bucket);
  await user.type(screen.getByLabelText("Access key"), "AKIAEXAMPLE");
  await user.type(screen.getByLabelText("Secret key"), secret);
}

/** A file as browsers give it; jsdom's cannot be read so. */
const aFile = (text: string) =>
  Object.assign(new File([text], "key.json", { type: "application/json" }), { text: async () => text });

describe("a storage without keys", () => {
  it("asks for none, and says so when there turns out to be no identity", async () => {
    const window = await open(inRoom([]));
    const { user, called, studio } = window;
    const form = await add(window, "s3");
    await user.type(form.getByLabelText("Bucket"), "shows");
    expect(form.getByTestId<HTMLButtonElement>("storage-save").disabled).toBe(true);
    await user.click(form.getByRole("checkbox", { name: "Without keys, as this computer itself" }));
    for (const gone of ["Access key", "Secret key", "Session token"])
      expect(form.queryByLabelText(gone), gone).toBeNull();
    expect(form.queryByRole("checkbox", { name: "Keep the keys for this run only" })).toBeNull();
    const message = 'This computer\'s own identity cannot be used: the profile "default" cannot be used.';
    studio.failures.set(
      "checkStorage",
      anError({ code: "permission_denied", message, remedy: "Check ~/.aws." }),
    );
    await user.click(form.getByRole("button", { name: "Check" }));
    expect((await form.findByTestId("notice")).textContent).toContain(message);
    await user.click(form.getByTestId("storage-save"));
    await waitFor(() => expect(called("saveStorage")).toHaveLength(1));
    expect(called("saveStorage")[0]?.args[0]).toMatchObject({
      profile: { storage: { bucket: "shows", machine_identity: true } },
      secret: null,
      this_run_only: false,
    });
  });
});

describe("a new storage", () => {
  it("is asked for its kind first, then for what that kind has, and is saved with hidden keys", async () => {
    const window = await open(inRoom([]));
    const { user, called, studio } = window;
    const form = await add(window, "s3");
    expect(form.queryByLabelText("Storage account")).toBeNull();
    expect(form.getByTestId<HTMLButtonElement>("storage-save").disabled).toBe(true);
    await fillS3(window, "shows");
    expect(form.getByLabelText<HTMLInputElement>("Access key").type).toBe("password");
    expect(form.getByLabelText<HTMLInputElement>("Secret key").type).toBe("password");
    await user.type(form.getByLabelText("Subfolder"), "2026");
    await user.click(form.getByRole("button", { name: "More" }));
    await user.click(form.getByRole("checkbox", { name: "Bucket in the path of the address" }));
    await user.type(form.getByLabelText("Metadata of each file"), "show=morning{Enter}by=vera");
    await user.click(form.getByTestId("storage-save"));
    await waitFor(() => expect(called("saveStorage")).toHaveLength(1));
    expect(called("saveStorage")[0]?.args[0]).toEqual({
      name: "",
      profile: {
        storage: s3({
          bucket: "shows",
          region: "",
          force_path_style: true,
          metadata: { show: "morning", by: "vera" },
        }),
        prefix: "2026",
      },
      secret: {
        keys: {
          kind: "s3",
          access_key: "AKIAEXAMPLE",
          secret: "s3cret",
          session_token: null,
          assume_role_external_id: null,
        },
        proxy: null,
      },
      this_run_only: false,
    });
    // Without a check, and back at the list, which has it.
    expect(called("checkStorage")).toEqual([]);
    expect(await screen.findByTestId("storage")).toBeTruthy();
    expect(studio.now.storages.map((one) => one.name)).toEqual(["shows"]);
    expect(screen.queryByDisplayValue("s3cret")).toBeNull();
  });

  it("of Google takes a key file, and shows no more of it than whose it is", async () => {
    const window = await open(inRoom([]));
    const { user, called } = window;
    const form = await add(window, "gcp");
    await user.type(form.getByLabelText("Bucket"), "shows");
    const text = JSON.stringify({ client_email: "rec@proj.example", private_key: "PRIVATE" });
    await user.upload(form.getByTestId("credentials-file"), aFile("{}"));
    expect(await form.findByText("This is not the key file of a service account.")).toBeTruthy();
    expect(form.getByTestId<HTMLButtonElement>("storage-save").disabled).toBe(true);
    await user.upload(form.getByTestId("credentials-file"), aFile(text));
    expect((await form.findByTestId("credentials-of")).textContent).toBe("Key of rec@proj.example");
    expect(document.body.innerHTML).not.toContain("PRIVATE");
    await user.click(form.getByTestId("storage-save"));
    await waitFor(() => expect(called("saveStorage")).toHaveLength(1));
    expect(called("saveStorage")[0]?.args[0]).toMatchObject({
      secret: { keys: { kind: "gcp", credentials: text } },
    });
  });

  it("can be a folder, chosen, which has no keys", async () => {
    const window = await open(inRoom([]));
    const form = await add(window, "local");
    await window.user.click(form.getByRole("button", { name: "Choose folder" }));
    await waitFor(() =>
      expect(form.getByLabelText<HTMLInputElement>("Folder").value).toBe("/mnt/media/Recordings"),
    );
    expect(form.queryByRole("checkbox", { name: "Keep the keys for this run only" })).toBeNull();
    await window.user.click(form.getByTestId("storage-save"));
    await waitFor(() => expect(window.called("saveStorage")[0]?.args[0]).toMatchObject({ secret: null }));
  });

  it("keeps what is typed when another kind is looked at, and what is typed into the settings", async () => {
    const window = await open(inRoom([]));
    const { user } = window;
    await user.keyboard("{Control>},{/Control}");
    const folder = await screen.findByLabelText<HTMLInputElement>("Recordings go to");
    await user.clear(folder);
    await user.type(folder, "/rec");
    await user.click(screen.getByRole("tab", { name: "Uploads" }));
    await user.click(screen.getByRole("button", { name: "Add storage" }));
    const kinds = await screen.findAllByTestId("storage-kind");
    await user.click(kinds[0] as HTMLElement);
    await user.type(screen.getByLabelText("Bucket"), "shows");
    await user.click(screen.getByRole("button", { name: "Another kind" }));
    await user.click((await screen.findAllByTestId("storage-kind"))[1] as HTMLElement);
    expect(screen.getByLabelText<HTMLInputElement>("Bucket").value).toBe("shows");
    await user.click(within(screen.getByTestId("storage-form")).getByRole("button", { name: "Cancel" }));
    await screen.findByRole("dialog", { name: "Settings" });
    expect(folder.value).toBe("/rec");
  });
});

describe("a check", () => {
  it("says where the probe was, and what is not as it might be", async () => {
    const window = await open(inRoom([]));
    const form = await add(window, "s3");
    await fillS3(window, "write-only");
    await window.user.click(form.getByRole("button", { name: "Check" }));
    const result = await form.findByTestId("storage-checked");
    expect(within(result).getByText("It works, but:")).toBeTruthy();
    expect(within(result).getByTestId("check-remark").textContent).toMatch(/may write, but not delete/);
    expect(within(result).getByTestId("check-location").textContent).toContain(
      "https://write-only.s3.amazonaws.com/tallylight-check-",
    );
    // It is about what was entered then.
    await window.user.type(form.getByLabelText("Bucket"), "-2");
    expect(form.queryByTestId("storage-checked")).toBeNull();
    await window.user.click(form.getByRole("button", { name: "Check" }));
    expect(await form.findByText("It works: a small file was written, read back and deleted.")).toBeTruthy();
  });

  it("that fails says so in three parts and marks the field; it can be saved all the same", async () => {
    const window = await open(inRoom([]));
    const form = await add(window, "s3");
    await fillS3(window, "shows", "wrong");
    await window.user.click(form.getByRole("button", { name: "Check" }));
    const notice = await form.findByTestId("notice");
    expect(notice.dataset.code).toBe("wrong_secret");
    expect(within(notice).getByTestId("notice-remedy").textContent).toBe(
      "Enter the secret again; copy it whole.",
    );
    expect(form.getByLabelText("Secret key").getAttribute("aria-invalid")).toBe("true");
    expect(form.getByLabelText("Bucket").getAttribute("aria-invalid")).toBeNull();
    await window.user.click(form.getByTestId("storage-save"));
    await waitFor(() => expect(window.called("saveStorage")).toHaveLength(1));
  });

  it("can be cancelled, and its late answer is left aside", async () => {
    const window = await open(inRoom([]));
    const { studio, user, called } = window;
    let answer = () => {};
    studio.checking = new Promise((done) => {
      answer = done;
    });
    const form = await add(window, "s3");
    await fillS3(window, "missing");
    await user.click(form.getByRole("button", { name: "Check" }));
    expect(await form.findByText("Writing, reading and deleting a small file…")).toBeTruthy();
    await user.click(form.getByTestId("check-cancel"));
    expect(form.queryByText("Writing, reading and deleting a small file…")).toBeNull();
    answer();
    // The next one is answered after it.
    await user.type(form.getByLabelText("Bucket"), "-not");
    await user.click(form.getByRole("button", { name: "Check" }));
    expect(await form.findByTestId("storage-checked")).toBeTruthy();
    expect(called("checkStorage")).toHaveLength(2);
    expect(form.queryByTestId("notice")).toBeNull();
  });
});

describe("a saved storage", () => {
  it("is edited without its keys being shown, and keeps them where none are given", async () => {
    const { user, called } = await open(inRoom([], { storages: someStorages }));
    openDialog({ name: "settings", tab: "uploads" });
    await user.click(await screen.findByRole("button", { name: "Edit Archive" }));
    const form = within(await screen.findByRole("dialog", { name: "Edit Archive" }));
    expect(form.getByLabelText<HTMLInputElement>("Secret key").value).toBe("");
    await user.type(form.getByLabelText("Name"), " of shows");
    await user.click(form.getByRole("button", { name: "Check" }));
    await form.findByTestId("storage-checked");
    expect(called("checkStorage")[0]?.args).toMatchObject([{ secret: null }, "ST_shows"]);
    // One key alone is none.
    await user.type(form.getByLabelText("Access key"), "NEW");
    expect(form.getByTestId<HTMLButtonElement>("storage-save").disabled).toBe(true);
    await user.clear(form.getByLabelText("Access key"));
    await user.click(form.getByTestId("storage-save"));
    await waitFor(() => expect(called("editStorage")).toHaveLength(1));
    expect(called("editStorage")[0]?.args).toMatchObject([
      "ST_shows",
      { name: "Archive of shows", secret: null, profile: { prefix: "shows/2026" } },
    ]);
  });

  it("whose keys are missing asks for them", async () => {
    const { user } = await open(inRoom([], { storages: allStorages }));
    openDialog({ name: "settings", tab: "uploads" });
    const rows = await screen.findAllByTestId("storage");
    const row = rows.find((one) => one.dataset.keys === "missing");
    if (!row) throw new Error("the fixture has one");
    expect(within(row).getByText("Keys needed")).toBeTruthy();
    await user.click(within(row).getByRole("button", { name: /^Edit Post-production/ }));
    expect((await screen.findByTestId<HTMLButtonElement>("storage-save")).disabled).toBe(true);
    await user.type(screen.getByLabelText("Account key"), "a2V5");
    expect(screen.getByTestId<HTMLButtonElement>("storage-save").disabled).toBe(false);
  });

  it("is forgotten once that is confirmed, and not while something goes there", async () => {
    const job = past("EG_1", "Ada");
    const upload = { storage: "ST_shows", backup: null, remove_local: false };
    const jobs = [{ ...job, request: { ...job.request, upload } }];
    const uploads = [anUpload("UP_1", { owner: "EG_1" })];
    const { studio, user, called } = await open(inRoom([], { storages: someStorages, jobs, uploads }));
    openDialog({ name: "settings", tab: "uploads" });
    await user.click(await screen.findByRole("button", { name: "Forget Archive" }));
    const ask = within(screen.getByTestId("storage-forget"));
    await user.click(ask.getByRole("button", { name: "Keep it" }));
    expect(screen.queryByTestId("storage-forget")).toBeNull();
    expect(called("forgetStorage")).toEqual([]);
    await user.click(screen.getByRole("button", { name: "Forget Archive" }));
    const again = within(screen.getByTestId("storage-forget"));
    await user.click(again.getByRole("button", { name: "Forget" }));
    expect(await again.findByText("Something still goes to this storage.")).toBeTruthy();
    studio.emit({ type: "upload_removed", id: "UP_1" });
    await user.click(again.getByRole("button", { name: "Forget" }));
    await waitFor(() => expect(screen.getAllByTestId("storage")).toHaveLength(2));
  });
});

describe("a keyring", () => {
  it("that is not there is said, and keys are kept for this run", async () => {
    const snapshot = emptySnapshot();
    const window = await open({ ...snapshot, projects: { ...snapshot.projects, keyring_error: noKeyring } });
    const form = await add(window, "s3");
    expect(form.getByTestId("notice").dataset.code).toBe("keyring");
    await fillS3(window, "shows");
    await window.user.click(form.getByTestId("storage-save"));
    await waitFor(() =>
      expect(window.called("saveStorage")[0]?.args[0]).toMatchObject({ this_run_only: true }),
    );
  });

  it("that refuses can be done without, in one click", async () => {
    const window = await open(inRoom([]));
    window.studio.failures.set("saveStorage", anError({ code: "keyring", message: "It is locked." }));
    const form = await add(window, "s3");
    await fillS3(window, "shows");
    await window.user.click(form.getByTestId("storage-save"));
    const again = await form.findByRole("button", { name: "Keep it for this run only" });
    window.studio.failures.clear();
    await window.user.click(again);
    await waitFor(() =>
      expect(window.called("saveStorage")[1]?.args[0]).toMatchObject({ this_run_only: true }),
    );
  });
});

describe("the limit of uploads", () => {
  it("is set in Mbit/s, and is none where the field is empty", async () => {
    const { user, called } = await open(inRoom([]));
    openDialog({ name: "settings", tab: "uploads" });
    await user.type(await screen.findByLabelText("Limit for uploads"), "2.5");
    await user.click(screen.getByRole("button", { name: "Save" }));
    await waitFor(() =>
      expect(called("setSettings")[0]?.args[0]).toMatchObject({ upload_limit_bps: 2_500_000 }),
    );
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
    openDialog({ name: "settings", tab: "uploads" });
    const limit = await screen.findByLabelText<HTMLInputElement>("Limit for uploads");
    expect(limit.value).toBe("2.5");
    await user.clear(limit);
    await user.click(screen.getByRole("button", { name: "Save" }));
    await waitFor(() => expect(called("setSettings")[1]?.args[0]).toMatchObject({ upload_limit_bps: null }));
  });
});
