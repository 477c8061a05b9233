// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";

/// @title Asks a contract account whether a signature is its own (ERC-1271), also one that is not deployed yet (ERC-6492).
/// @dev Never deployed: it is the code of an `eth_call` without a recipient, and "returns" one byte as the code to deploy.
contract SignatureCheck {
    /// What ends a signature that tells how its account is deployed (ERC-6492).
    bytes32 private constant NOT_DEPLOYED = 0x6492649264926492649264926492649264926492649264926492649264926492;

    constructor(address account, bytes32 digest, bytes memory signature) {
        bool isValid = check(account, digest, signature);
        assembly ("memory-safe") {
            mstore(0, isValid)
            return(31, 1)
        }
    }

    function check(address account, bytes32 digest, bytes memory signature) private returns (bool) {
        if (tail(signature) == NOT_DEPLOYED) {
            assembly ("memory-safe") {
                mstore(signature, sub(mload(signature), 32))
            }
            address factory;
            bytes memory deploy;
            (factory, deploy, signature) = abi.decode(signature, (address, bytes, bytes));
            if (account.code.length == 0 && !calls(factory, deploy)) return false;
        }
        return account.code.length > 0 && says(account, abi.encodeCall(IERC1271.isValidSignature, (digest, signature)));
    }

    /// Calls, and leaves alone what comes back: it is as long as whoever is called likes, and copying it costs gas.
    function calls(address to, bytes memory data) private returns (bool isDone) {
        assembly ("memory-safe") {
            isDone := call(gas(), to, 0, add(data, 32), mload(data), 0, 0)
        }
    }

    /// Whether the answer to a question is ERC-1271's yes.
    function says(address account, bytes memory question) private view returns (bool isYes) {
        bytes32 answer;
        assembly ("memory-safe") {
            isYes := staticcall(gas(), account, add(question, 32), mload(question), 0, 32)
            isYes := and(isYes, gt(returndatasize(), 31))
            answer := mload(0)
        }
        return isYes && bytes4(answer) == IERC1271.isValidSignature.selector;
    }

    function tail(bytes memory text) private pure returns (bytes32 word) {
        if (text.length < 32) return 0;
        assembly ("memory-safe") {
            word := mload(add(text, mload(text)))
        }
    }
}
