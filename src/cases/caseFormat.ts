/**
 * Case files: what a pipeline is given and what it must answer, one JSON object a line. A case is a bridge (ports, flows, groups)
 * and steps in time: packets, flow-mods, dumps, changes of conntrack. `expect` is what a switch answered; a key that it lacks is
 * not asked.
 */
export interface CasePort {
  readonly name: string;
  readonly ofport: number;
  readonly tag?: number;
  readonly trunks?: readonly number[];
  readonly vlan_mode?: string;
  /** dot1q-tunnel: customer VLANs. */
  readonly cvlans?: readonly number[];
  /** other_config of the port: priority-tags, qinq-ethtype. */
  readonly port_other_config?: Readonly<Record<string, string>>;
  /** Makes it a patch port. */
  readonly peer?: string;
  /** Default 1500: longer frames are lost on output. */
  readonly mtu?: number;
}

export interface CaseBridge {
  readonly name: string;
  readonly ports?: readonly CasePort[];
  readonly flows?: readonly string[];
  readonly groups?: readonly string[];
  readonly meters?: readonly string[];
  readonly other_config?: Readonly<Record<string, string>>;
}

export interface CaseMod {
  /** add, modify, modify_strict, delete, delete_strict; group: `flow` is `add group_id=1,...`, in bundles only. */
  readonly op: string;
  readonly flow: string;
  readonly cookieMask?: string;
}

export interface CaseConntrackFilter {
  readonly zone?: number;
  readonly src?: string;
  readonly dst?: string;
  readonly sport?: number;
  readonly dport?: number;
  readonly proto?: string | number;
  readonly mark?: string | number;
  readonly dir?: 'orig' | 'reply' | 'any';
}

export interface CaseStep {
  /** Seconds since the start of the case. */
  readonly t?: number;
  readonly note?: string;
  /** `hex`: a frame. Or `flow`: flow text, run as `ofproto/trace` does, `ctNext` being its --ct-next. */
  readonly packet?: {
    readonly in_port?: number;
    readonly hex?: string;
    readonly flow?: string;
    readonly ctNext?: readonly string[];
  };
  readonly flow?: string;
  readonly ctNext?: readonly string[];
  readonly mods?: readonly CaseMod[];
  readonly bundle?: boolean;
  readonly dump?: boolean;
  readonly conntrack?: 'flush' | { readonly delete: CaseConntrackFilter };
  readonly conntrackDump?: boolean;
  readonly fdb?: boolean;
  /** Bridge of mods and dump; default br0. */
  readonly bridge?: string;
  readonly expect?: CaseAnswer;
  /** Any of these is right. */
  readonly expect_any?: readonly CaseAnswer[];
}

/** [port, frame] or [port, frame, bridge]; frame: "=" as sent, hex, "~" changed, "?" not asked. LOCAL is 65534. */
export type CaseOutput = readonly [number, string] | readonly [number, string, string];

export interface CaseCt {
  readonly state: string;
  readonly zone: number;
  readonly mark: number;
  readonly label?: string;
}

/** [table, text or null for a miss] or with the bridge at the end. */
export type CaseRule = readonly [number, string | null] | readonly [number, string | null, string];

export interface CaseAnswer {
  readonly out?: readonly CaseOutput[];
  readonly ct?: readonly CaseCt[];
  readonly ctAmbiguous?: boolean;
  readonly rules?: readonly CaseRule[];
  readonly controller?: number;
  readonly error?: string | null;
  readonly flows?: readonly string[];
  readonly conntrack?: readonly string[];
  readonly fdb?: readonly (readonly [number, number, string])[];
  readonly deleted?: number;
  /** Ours only: what was met that is not executed. */
  readonly unsupported?: string;
}

export interface Case extends Omit<CaseBridge, 'name'> {
  readonly id: string;
  readonly family?: string;
  readonly about?: string;
  /** OpenFlow version of flows, mods and dumps: OpenFlow10 to OpenFlow15, the default. */
  readonly of?: string;
  readonly bridges?: readonly CaseBridge[];
  /** False: rules are not asked. */
  readonly rules?: boolean;
  /** Instead of `flows`: text of `ovs-ofctl dump-flows`, in the switch's own order. */
  readonly dump?: string;
  /** Text of `dump-flows cookie=X/-1`, by cookie. */
  readonly cookieDumps?: Readonly<Record<string, string>>;
  readonly steps: readonly CaseStep[];
}
