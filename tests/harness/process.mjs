// CPU time and memory of a process, from /proc.

import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

const TICKS_PER_S = 100;

/** CPU seconds, user and system, that a process has used. */
export function cpuSeconds(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S;
}

/** CPU seconds of a process and all that come from it, those that have ended and were waited for included. */
export function treeCpuSeconds(root) {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
        const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ').map(Number);
        return [{ pid: Number(pid), parent: fields[1], seconds: (fields[11] + fields[12] + fields[13] + fields[14]) / TICKS_PER_S }];
      } catch {
        // It ended meanwhile.
        return [];
      }
    });
  const of = (pid) => all.filter(({ parent }) => parent === pid).reduce((sum, one) => sum + one.seconds + of(one.pid), 0);
  return all.find(({ pid }) => pid === root).seconds + of(root);
}

/** Command lines of the processes that know of a job's folder, by their arguments or their environment. */
export function processesOf(folder) {
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .flatMap((pid) => {
      try {
        const known = ['cmdline', 'environ'].some((name) => readFileSync(`/proc/${pid}/${name}`, 'latin1').includes(folder));
        return known ? [readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ')] : [];
      } catch {
        return [];
      }
    });
}

/** Kills the Chromium of a job, with all that comes from it. */
export function killChromium(job) {
  const pids = readdirSync('/proc').filter((pid) => {
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
      return /chrom/.test(line) && !line.includes('--type=') && !/^bwrap/.test(line) && readFileSync(`/proc/${pid}/environ`, 'latin1').includes(job.folder);
    } catch {
      return false;
    }
  });
  if (!pids.length) throw new Error('there is no Chromium');
  for (const pid of pids) {
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch {
      // Gone with another of them.
    }
  }
}

/** Resident memory, bytes. */
export function memoryBytes(pid) {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024;
}

/** The most that was resident so far, bytes. */
export function peakMemoryBytes(pid) {
  return Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024;
}

/**
 * Starts a program that comes before everything else on the machine, as `spawn` does. Who publishes late says so in the
 * times that it sends, and what would be measured then is the machine's load. Without the right to it, it is a program
 * like any other.
 */
export function spawnFirst(program, args, options) {
  const first = 'chrt --rr --pid 1 $$ 2>/dev/null || renice -n -15 -p $$ >/dev/null 2>&1; exec "$@"';
  return spawn('sh', ['-c', first, 'sh', program, ...args], options);
}

/** Keeps the machine busy with `loops` processes that do nothing else; the call that ends them. They end by themselves after 90 s. */
export function load(loops) {
  const busy = Array.from({ length: loops }, () => spawn('timeout', ['90', 'sh', '-c', 'while :; do :; done'], { stdio: 'ignore' }));
  return () => busy.forEach((child) => child.kill());
}
