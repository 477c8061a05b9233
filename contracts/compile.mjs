// Compiles our contracts offline and writes out/<name>.json; with --check it writes nothing and exits with 1 when a
// committed artifact is not what its source compiles to.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

// Sources, each with one contract of the same name. What lies in test/ is for tests and is never deployed elsewhere.
const sources = [
  "PreauthEscrow.sol", "SignatureCheck.sol",
  "test/ContractWallet.sol", "test/OddToken.sol", "test/SignerPaymaster.sol",
];

const at = (path) => new URL(path, import.meta.url);
const modules = at("../dev/node_modules/");

let solc;
try {
  solc = createRequire(at("../dev/package.json"))("solc");
} catch {
  console.error("contracts/compile.mjs: the Solidity compiler is not installed; run script/setup first");
  process.exit(1);
}

function readImport(path) {
  try {
    return { contents: readFileSync(new URL(path, modules), "utf8") };
  } catch (error) {
    return { error: `${path}: ${error.message}` };
  }
}

function compile(source, name) {
  const input = {
    language: "Solidity",
    sources: { [`${name}.sol`]: { content: readFileSync(at(source), "utf8") } },
    settings: {
      optimizer: { enabled: true, runs: 200 },
      evmVersion: "prague",
      // No hash of the metadata in the code: the same source gives the same bytes on every machine.
      metadata: { bytecodeHash: "none" },
      outputSelection: { "*": { [name]: ["abi", "evm.bytecode.object"] } },
    },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: readImport }));
  const complaints = output.errors ?? [];
  for (const complaint of complaints) console.error(complaint.formattedMessage);
  if (complaints.length > 0) process.exit(1);
  const { abi, evm } = output.contracts[`${name}.sol`][name];
  return `${JSON.stringify({ abi, bytecode: `0x${evm.bytecode.object}`, solc: solc.version() }, null, 2)}\n`;
}

function readCommitted(artifact) {
  try {
    return readFileSync(artifact, "utf8");
  } catch {
    return "";
  }
}

for (const source of sources) {
  const name = source.replace(/^.*\//, "").replace(/\.sol$/, "");
  const artifact = at(`out/${source.replace(/\.sol$/, ".json")}`);
  const text = compile(source, name);
  if (!process.argv.includes("--check")) {
    writeFileSync(artifact, text);
    console.log(`wrote ${fileURLToPath(artifact)}`);
  } else if (readCommitted(artifact) !== text) {
    console.error(`contracts/out/${source.replace(/\.sol$/, ".json")} is stale; run \`node contracts/compile.mjs\` and commit it`);
    process.exit(1);
  }
}
