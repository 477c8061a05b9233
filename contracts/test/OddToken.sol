// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title A token for tests that does not do as it is asked: it keeps a fee, or moves nothing and says so.
/// @dev For tests only: anybody may mint it.
contract OddToken is ERC20 {
    /// Who is given the fee.
    address public constant COLLECTOR = address(0xFEE);

    /// What a transfer costs its recipient.
    uint256 public fee;
    /// Whether a transfer moves nothing and returns false.
    bool public refuses;

    constructor() ERC20("Odd", "ODD") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function misbehave(uint256 fee_, bool refuses_) external {
        (fee, refuses) = (fee_, refuses_);
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        if (refuses) return false;
        if (fee > 0) _transfer(msg.sender, COLLECTOR, fee);
        _transfer(msg.sender, to, amount - fee);
        return true;
    }
}
