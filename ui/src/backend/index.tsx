import { createContext, type ReactNode, use, useMemo } from "react";
import { Pictures } from "@/lib/pictures";
import type { Backend } from "./backend";

const BackendContext = createContext<{ backend: Backend; pictures: Pictures } | null>(null);

/** Gives everything below it the studio to talk to. */
export function BackendProvider({ backend, children }: { backend: Backend; children: ReactNode }) {
  const value = useMemo(() => ({ backend, pictures: new Pictures(backend) }), [backend]);
  return <BackendContext value={value}>{children}</BackendContext>;
}

/** The studio, from within a {@link BackendProvider}. */
export function useBackend(): Backend {
  const value = use(BackendContext);
  if (!value) throw new Error("useBackend outside of a BackendProvider");
  return value.backend;
}

/** The pictures of tracks, from within a {@link BackendProvider}. */
export function usePictures(): Pictures {
  const value = use(BackendContext);
  if (!value) throw new Error("usePictures outside of a BackendProvider");
  return value.pictures;
}
