// Compiles PreauthEscrow.sol offline and writes out/PreauthEscrow.json; with --check it writes nothing and exits with 1
// when the committed artifact is not what the source compiles to.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const at = (path) => new URL(path, import.meta.url);
const modules = at("../dev/node_modules/");
const artifact = at("out/PreauthEscrow.json");

let solc;
try {
  solc = createRequire(at("../dev/package.json"))("solc");
} catch {
  console.error("contracts/compile.mjs: the Solidity compiler is not installed; run script/setup first");
  process.exit(1);
}

const input = {
  language: "Solidity",
  sources: { "PreauthEscrow.sol": { content: readFileSync(at("PreauthEscrow.sol"), "utf8") } },
  settings: {
    optimizer: { enabled: true, runs: 200 },
    evmVersion: "prague",
    // No hash of the metadata in the code: the same source gives the same bytes on every machine.
    metadata: { bytecodeHash: "none" },
    outputSelection: { "*": { PreauthEscrow: ["abi", "evm.bytecode.object"] } },
  },
};

function readImport(path) {
  try {
    return { contents: readFileSync(new URL(path, modules), "utf8") };
  } catch (error) {
    return { error: `${path}: ${error.message}` };
  }
}

const output = JSON.parse(solc.compile(JSON.stringify(input), { import: readImport }));
const complaints = output.errors ?? [];
for (const complaint of complaints) console.error(complaint.formattedMessage);
if (complaints.length > 0) process.exit(1);

const { abi, evm } = output.contracts["PreauthEscrow.sol"].PreauthEscrow;
const text = `${JSON.stringify({ abi, bytecode: `0x${evm.bytecode.object}`, solc: solc.version() }, null, 2)}\n`;

if (!process.argv.includes("--check")) {
  writeFileSync(artifact, text);
  console.log(`wrote ${fileURLToPath(artifact)}`);
} else if (readCommitted() !== text) {
  console.error("contracts/out/PreauthEscrow.json is stale; run `node contracts/compile.mjs` and commit it");
  process.exit(1);
}

function readCommitted() {
  try {
    return readFileSync(artifact, "utf8");
  } catch {
    return "";
  }
}
