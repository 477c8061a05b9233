-- No statement looks for a wallet's open challenges: they are found by nonce.
drop index sign_in_challenge_open;
