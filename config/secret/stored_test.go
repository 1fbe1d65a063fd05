package secret_test

// storedByFirstRelease are ciphertexts of the two kinds of key, in the format
// that later releases must go on reading.
var storedByFirstRelease = []string{
	"enc1:3b3bcaea5f0b:v52mO7CmayOyKbfuNWqpVNiAlwWM68Vy96x+yiP/kEI2om+rbhOHfryNWCRLkbmjUi7gr2Y7mVQ=",
	"enc1:d8c69937a0f7:p1fcwaaCx9F5rw/gP8DqKupjVmKtselX962zchq2RFa6ac7nDkjqqx47Yb3m6iTLVEg4PCE+xlE=",
}

// memberStoredByFirstRelease is the same for the header X-Api-Key of webhook 7.
const memberStoredByFirstRelease = "enc1:3b3bcaea5f0b:xbKcAnfwH8hflVT7JdzlfjNNjQjcJl8P6Nth5MzFCrXceSQrym4SRJWXXiTu2YH0ICd/KMLorcQ="
