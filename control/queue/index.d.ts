/** Queues of callers. Times are milliseconds, positions count from 1. */
import type * as projectcontrol from "projectcontrol";

declare const queues: queues.ProjectQueues & { ProjectQueues: new () => queues.ProjectQueues };

declare namespace queues {
  type Call = projectcontrol.Call;

  interface Agent {
    readonly to: projectcontrol.NewCall | string;
    readonly state: "free" | "ringing" | "talking" | "wrapup" | "pausing";
    /** What tells two agents apart: the user, or `user@domain`. */
    readonly key: string;
    /** Gets no calls while `true`. */
    paused: boolean;
    readonly since: number;
    readonly taken: number;
  }

  interface Queue {
    readonly name: string;
    readonly calls: Call[];
    readonly agents: Agent[];
    max: number;
    maxwaitms: number;
    ringms: number;
    wrapupms: number;
    retryms: number;
    moh?: projectcontrol.SoundSoup;
    announce?: (position: number, call: Call) => projectcontrol.SoundSoup | undefined;
    overflow?: (call: Call, why: "full" | "timeout") => unknown;
    ondelivered?: (call: Call, child: Call) => unknown;
    queue(call: Call): Promise<boolean>;
    delivered(call: Call): void;
    remove(call: Call): void;
    addagent(to: projectcontrol.NewCall | string): Agent;
    removeagent(to: projectcontrol.NewCall | string): boolean;
    dispatch(): void;
  }

  interface ProjectQueues {
    find(name: string): Queue;
    readonly names: string[];
    set onpositionchange(callback: (call: Call) => unknown);
    get onpositionchange(): ((call: Call) => unknown)[];
  }
}

export = queues;
