"""Networks and a regularised grid on made signals: voilalab's benchmark."""
