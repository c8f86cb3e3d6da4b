// A storage as the form has it, and what becomes of it. Pure.

import type {
  ApiError,
  Storage,
  StorageInput,
  StorageKeys,
  StoragePlace,
  StorageProfile,
  StorageSecret,
} from "@/backend/types";

export type Kind = Storage["kind"];

export const KINDS: Kind[] = ["s3", "gcp", "azure", "ali_oss", "local"];

/** What is typed, of whatever kind: what one kind has and another has too is not typed twice. */
export interface Draft {
  kind: Kind;
  name: string;
  prefix: string;
  this_run_only: boolean;
  bucket: string;
  region: string;
  endpoint: string;
  force_path_style: boolean;
  assume_role_arn: string;
  /** A line for each: `name=value`. */
  metadata: string;
  tagging: string;
  content_disposition: string;
  proxy_url: string;
  /** Without keys: as this computer itself. */
  machine_identity: boolean;
  account_name: string;
  container_name: string;
  folder: string;
  // Secrets: gone with the form.
  access_key: string;
  secret: string;
  session_token: string;
  external_id: string;
  credentials: string;
  account_key: string;
  proxy_user: string;
  proxy_password: string;
}

const empty: Draft = {
  kind: "s3",
  name: "",
  prefix: "",
  this_run_only: false,
  bucket: "",
  region: "",
  endpoint: "",
  force_path_style: false,
  assume_role_arn: "",
  metadata: "",
  tagging: "",
  content_disposition: "",
  proxy_url: "",
  machine_identity: false,
  account_name: "",
  container_name: "",
  folder: "",
  access_key: "",
  secret: "",
  session_token: "",
  external_id: "",
  credentials: "",
  account_key: "",
  proxy_user: "",
  proxy_password: "",
};

/** The form as it is first: empty, or with what is saved. Keys are never in it. */
export function draftOf(place: StoragePlace | null, noKeyring: boolean): Draft {
  if (!place) return { ...empty, this_run_only: noKeyring };
  const { storage, prefix } = place.profile;
  return {
    ...empty,
    ...storage,
    ...(storage.kind === "s3" ? { metadata: linesOf(storage.metadata) } : { metadata: "" }),
    name: place.name,
    prefix,
    this_run_only: place.keys === "this_run" || (noKeyring && place.keys === "missing"),
  };
}

const linesOf = (metadata: { [key in string]: string }) =>
  Object.entries(metadata)
    .map(([name, value]) => `${name}=${value}`)
    .join("\n");

function metadataOf(lines: string): { [key in string]: string } {
  const pairs = lines
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean)
    .map((line) => {
      const at = line.indexOf("=");
      return at < 0 ? [line, ""] : [line.slice(0, at).trim(), line.slice(at + 1).trim()];
    });
  return Object.fromEntries(pairs);
}

export function profileOf(draft: Draft): StorageProfile {
  return { storage: storageOf(draft), prefix: draft.prefix.trim() };
}

function storageOf(draft: Draft): Storage {
  const { kind, force_path_style, machine_identity } = draft;
  const bucket = draft.bucket.trim();
  const region = draft.region.trim();
  const endpoint = draft.endpoint.trim();
  const proxy_url = draft.proxy_url.trim();
  switch (kind) {
    case "s3":
      return {
        kind,
        bucket,
        region,
        endpoint,
        force_path_style,
        assume_role_arn: draft.assume_role_arn.trim(),
        metadata: metadataOf(draft.metadata),
        tagging: draft.tagging.trim(),
        content_disposition: draft.content_disposition.trim(),
        proxy_url,
        machine_identity,
      };
    case "gcp":
      return { kind, bucket, proxy_url, machine_identity };
    case "azure":
      return {
        kind,
        account_name: draft.account_name.trim(),
        container_name: draft.container_name.trim(),
        endpoint,
        machine_identity,
      };
    case "ali_oss":
      return { kind, bucket, region, endpoint };
    case "local":
      return { kind, folder: draft.folder.trim() };
  }
}

/** Whether a kind can go without keys, as this computer itself. */
export const takesIdentity = (kind: Kind): kind is "s3" | "gcp" | "azure" =>
  kind === "s3" || kind === "gcp" || kind === "azure";

/** Whether it goes without keys, as this computer itself. */
export const byIdentity = (draft: Draft) => draft.machine_identity && takesIdentity(draft.kind);

function keysOf(draft: Draft): StorageKeys {
  const external_id = draft.external_id.trim() || null;
  if (byIdentity(draft)) {
    if (draft.kind !== "s3" || !external_id) return { kind: "none" };
    const no = { access_key: "", secret: "", session_token: null };
    return { kind: "s3", ...no, assume_role_external_id: external_id };
  }
  const access_key = draft.access_key.trim();
  const secret = draft.secret.trim();
  switch (draft.kind) {
    case "s3":
      return {
        kind: "s3",
        access_key,
        secret,
        session_token: draft.session_token.trim() || null,
        assume_role_external_id: external_id,
      };
    case "gcp":
      return { kind: "gcp", credentials: draft.credentials.trim() };
    case "azure":
      return { kind: "azure", account_key: draft.account_key.trim() };
    case "ali_oss":
      return { kind: "ali_oss", access_key, secret };
    case "local":
      return { kind: "none" };
  }
}

/** Whether a kind goes through a proxy of its own, where one is named. */
export const takesProxy = (kind: Kind) => kind === "s3" || kind === "gcp";

/** Whether anything secret has been typed: then all of it is sent, for what is kept is one whole. */
export function anyKey(draft: Draft): boolean {
  const keys = Object.entries(keysOf(draft)).filter(([name]) => name !== "kind");
  const proxy = takesProxy(draft.kind) && (draft.proxy_user !== "" || draft.proxy_password !== "");
  return proxy || keys.some(([, value]) => value);
}

function secretOf(draft: Draft): StorageSecret | null {
  if (draft.kind === "local" || !anyKey(draft)) return null;
  const proxy =
    takesProxy(draft.kind) && draft.proxy_url.trim() !== "" && draft.proxy_user !== ""
      ? { username: draft.proxy_user, password: draft.proxy_password }
      : null;
  return { keys: keysOf(draft), proxy };
}

/** Whether there is something to keep in the keyring. */
export const keepsKeys = (draft: Draft) => draft.kind !== "local" && (!byIdentity(draft) || anyKey(draft));

export function inputOf(draft: Draft): StorageInput {
  return {
    name: draft.name.trim(),
    profile: profileOf(draft),
    secret: secretOf(draft),
    this_run_only: draft.this_run_only && keepsKeys(draft),
  };
}

/** Whether nothing that must be there is missing. The studio says what is wrong with what is. */
export function isComplete(draft: Draft, keysNeeded: boolean): boolean {
  const { storage } = profileOf(draft);
  const keys = keysOf(draft);
  const places = {
    s3: () => storage.kind === "s3" && storage.bucket !== "",
    gcp: () => storage.kind === "gcp" && storage.bucket !== "",
    azure: () => storage.kind === "azure" && storage.account_name !== "" && storage.container_name !== "",
    ali_oss: () => storage.kind === "ali_oss" && storage.bucket !== "" && storage.endpoint !== "",
    local: () => storage.kind === "local" && storage.folder !== "",
  };
  if (!places[draft.kind]()) return false;
  if (byIdentity(draft)) return true;
  if (!keysNeeded && !anyKey(draft)) return true;
  switch (keys.kind) {
    case "s3":
    case "ali_oss":
      return keys.access_key !== "" && keys.secret !== "";
    case "gcp":
      return emailOf(keys.credentials) !== null;
    case "azure":
      return keys.account_key !== "";
    case "none":
      return true;
  }
}

/** Whose key a key file of Google's is; none where the text is not one. */
export function emailOf(credentials: string): string | null {
  try {
    const file: unknown = JSON.parse(credentials);
    if (typeof file !== "object" || file === null) return null;
    if (!("private_key" in file) || typeof file.private_key !== "string") return null;
    return "client_email" in file && typeof file.client_email === "string" ? file.client_email : null;
  } catch {
    return null;
  }
}

/** Which field an error is about, where that can be told. */
export function fieldOf({ code, detail }: ApiError, kind: Kind): keyof Draft | null {
  const named = /invalid field: (\w+)$/.exec(detail)?.[1];
  if (named === "proxy") return "proxy_url";
  if (named === "assume_role_external_id") return "external_id";
  if (named && named in empty) return named as keyof Draft;
  switch (code) {
    case "unknown_key":
      return kind === "azure" ? "account_name" : "access_key";
    case "wrong_secret":
      return kind === "azure" ? "account_key" : kind === "gcp" ? "credentials" : "secret";
    case "not_found":
      return kind === "azure" ? "container_name" : kind === "local" ? "folder" : "bucket";
    case "unreachable":
      return kind === "local" || kind === "gcp" ? null : "endpoint";
    default:
      return null;
  }
}

/** Fields that are out of sight until somebody asks for more. */
const RARE: (keyof Draft)[] = [
  "force_path_style",
  "session_token",
  "assume_role_arn",
  "external_id",
  "metadata",
  "tagging",
  "content_disposition",
  "proxy_url",
  "proxy_user",
  "proxy_password",
];

/** Whether something is set that is out of sight at first, or an error is about it. */
export function needsMore(draft: Draft, wrong: keyof Draft | null): boolean {
  const rare: (keyof Draft)[] =
    draft.kind === "azure" ? ["endpoint"] : draft.kind === "ali_oss" ? ["region"] : RARE;
  return (
    rare.some((name) => draft[name] !== "" && draft[name] !== false) || rare.some((name) => name === wrong)
  );
}
