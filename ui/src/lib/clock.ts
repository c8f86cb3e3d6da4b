import { useEffect, useState } from "react";

/** The time, ms, anew each second while `runs`: for what counts down. */
export function useSeconds(runs: boolean): number {
  const [now_ms, setNow] = useState(Date.now);
  useEffect(() => {
    if (!runs) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [runs]);
  return now_ms;
}
