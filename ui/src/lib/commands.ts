// Calls to the studio, with what the window does about their errors.

import { useMutation } from "@tanstack/react-query";
import type { Backend } from "@/backend/backend";
import { asApiError } from "@/backend/backend";
import { useBackend } from "@/backend/index";
import type { ApiError } from "@/backend/types";
import { tellError } from "@/views/tell";

/** A command whose failure is told in the corner of the window. */
export function useCommand<Args, Result>(call: (backend: Backend, args: Args) => Promise<Result>) {
  const backend = useBackend();
  return useMutation<Result, ApiError, Args>({
    mutationFn: (args) => call(backend, args).catch((thrown: unknown) => Promise.reject(asApiError(thrown))),
    onError: (error) => tellError(error),
  });
}

/** A command whose failure is shown by the view that called it. */
export function useOwnCommand<Args, Result>(call: (backend: Backend, args: Args) => Promise<Result>) {
  const backend = useBackend();
  return useMutation<Result, ApiError, Args>({
    mutationFn: (args) => call(backend, args).catch((thrown: unknown) => Promise.reject(asApiError(thrown))),
  });
}
